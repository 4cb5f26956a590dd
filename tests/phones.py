"""Softphones of others, without a sound card: baresip and linphonec place one call each.

They play a WAV into the call and record what they hear. For tests on the loopback only.
"""

import subprocess
import time
import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.contract.servers import free_port

BARESIP = """\
poll_method epoll
sip_listen 127.0.0.1:{port}
sip_cafile {authorities}
net_interface 127.0.0.1
audio_player aufile,{folder}/ignored.wav
audio_source aufile,{plays}
audio_alert aufile,/dev/null
module_path /usr/lib/baresip/modules
module g711.so
module aufile.so
module sndfile.so
module srtp.so
module_tmp uuid.so
module_tmp account.so
module_app menu.so
snd_path {folder}
"""
LINPHONE = """\
[sip]
sip_port={port}
sip_tcp_port={port}
sip_tls_port={port}
verify_server_certs=1
verify_server_cn=0
root_ca={authorities}
media_encryption={encryption}
media_encryption_mandatory={mandatory}
default_proxy=-1
guess_hostname=0
contact="phone" <sip:phone@127.0.0.1>
register_only_when_network_is_up=0
use_ipv6=0
[rtp]
audio_rtp_port=-1
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """How a phone calls: `srtp` means with SRTP or not at all."""

    transport: str = "udp"
    srtp: bool = False
    authorities: str = "/etc/ssl/certs/ca-certificates.crt"  # whom it trusts over TLS


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    answered: bool
    sound: np.ndarray  # 8 kHz, empty if nothing came
    log: str


def baresip(folder: Path, address: str, plays: Path, seconds: float, line: Line) -> Heard:
    """`address` is number@host:port; it hangs up after `seconds` from its start."""
    _write(folder / "config", BARESIP, folder, plays, line)
    encryption = ";mediaenc=srtp-mand" if line.srtp else ""
    account = f"<sip:phone@127.0.0.1>;regint=0;audio_codecs=PCMU/8000/1{encryption}\n"
    (folder / "accounts").write_text(account)
    (folder / "contacts").write_text("")
    dial = f"/dial sip:{address};transport={line.transport}"
    done = subprocess.run(
        ["baresip", "-f", folder, "-t", str(int(seconds)), "-e", dial],
        capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=seconds + 20,
    )  # fmt: skip
    log = done.stdout + done.stderr
    return Heard(
        answered="Call established" in log,
        sound=_sound(next(iter(folder.glob("dump-*-dec.wav")), folder / "none")),
        log=log[-3000:],
    )


def linphone(folder: Path, address: str, plays: Path, seconds: float, line: Line) -> Heard:
    (folder / ".local/share/linphone").mkdir(parents=True)  # it does not start without
    _write(folder / "rc", LINPHONE, folder, plays, line)
    heard = folder / "heard.wav"
    phone = subprocess.Popen(
        ["linphonec", "-c", folder / "rc"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, env={"HOME": str(folder), "PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    assert phone.stdin
    call = f"call sip:{address};transport={line.transport}"
    for command in ("soundcard use files", f"play {plays}", f"record {heard}", call):
        phone.stdin.write(command + "\n")
    phone.stdin.flush()
    time.sleep(seconds)
    log, _ = phone.communicate("terminate\nquit\n", timeout=20)
    return Heard(answered="Media streams established" in log, sound=_sound(heard), log=log[-3000:])


def _write(path: Path, text: str, folder: Path, plays: Path, line: Line) -> None:
    told = text.format(
        port=free_port(), folder=folder, plays=plays, authorities=line.authorities,
        encryption="srtp" if line.srtp else "none", mandatory=int(line.srtp),
    )  # fmt: skip
    path.write_text(told)


def _sound(path: Path) -> np.ndarray:
    if not path.exists():
        return np.zeros(0, np.int16)
    with wave.open(str(path)) as file:
        assert file.getframerate() == 8000, file.getparams()
        return np.frombuffer(file.readframes(file.getnframes()), np.int16)


def pitch(sound: np.ndarray, rate: int) -> float:
    """The strongest frequency of the loudest second, in Hz; 0 if all is quiet."""
    frames = [sound[i : i + rate] for i in range(0, len(sound) - rate + 1, rate // 4)]
    loudest = max(frames, key=lambda f: float(np.abs(f.astype(float)).mean()), default=None)
    if loudest is None or np.abs(loudest.astype(float)).mean() < 100:
        return 0.0
    spectrum = np.abs(np.fft.rfft(loudest.astype(float)))
    return float(np.argmax(spectrum[20:]) + 20) * rate / len(loudest)
