"""A call to the echo line: answered? sound in both directions? And where it broke, in words."""

import asyncio
import ipaddress
import socket
import time
from dataclasses import dataclass

import numpy as np

from telephony.caller import audio
from telephony.caller.audio import RATE, Pcm
from telephony.caller.call import Call, CallFailed

TONE_HZ, TONE_S = 1000, 1.0
BACK_S = 2.0  # so long the tone may be under way
ANSWER_S, ANNOUNCEMENT_S, PAUSE_MS = 15.0, 10.0, 500
_WINDOW = RATE // 10
_SHARE = 0.5  # of the power of a stretch, in the tone's own frequency


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What one call showed. `status`: 0 if nothing final came."""

    status: int = 0
    reason: str = ""
    progress: bool = False  # 100 or 180 came
    answered_ms: int = 0
    announced: bool = False
    echoed_ms: int | None = None  # our tone came back so long after it left
    media: str = ""  # the address the SIP server wants sound at
    packets: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    ok: bool
    headline: str
    steps: tuple[str, ...] = ()
    advice: str = ""
    media: str = ""


def place(target: str, *, username: str, password: str) -> Verdict:
    """Call, listen, speak, hang up; takes about 8 s. Blocks."""
    try:
        heard = asyncio.run(_listen(target, username, password))
    except OSError as trouble:
        return Verdict(
            ok=False, headline=f"The call could not be sent: {trouble}.",
            advice="Correct SIP_ADDRESS: it is where livekit-sip listens, as 203.0.113.7:5060.",
        )  # fmt: skip
    return judge(heard)


async def _listen(target: str, username: str, password: str) -> Heard:
    async with Call(target, username=username, password=password) as call:
        try:
            await call.answered(ANSWER_S)
        except CallFailed as failure:
            progress = bool({"trying", "ringing"} & set(call.times))
            return Heard(status=failure.status, reason=str(failure), progress=progress)
        await call.quiet(PAUSE_MS, ANNOUNCEMENT_S)
        announced = audio.onset(call.heard()) is not None
        begun = time.monotonic()
        saying = asyncio.create_task(call.say(_tone()))
        back = await _until_back(call, begun)
        await saying
        return Heard(
            status=200, progress=True, answered_ms=round(call.ms("answered") or 0),
            announced=announced, echoed_ms=back, media=call.media,
            packets=call.audio.timeline.packets,
        )  # fmt: skip


async def _until_back(call: Call, begun: float) -> int | None:
    while time.monotonic() - begun < TONE_S + BACK_S and not call.ended.is_set():
        at = tone_at(call.heard_since(begun))
        if at is not None:
            return round(at * 1000 / RATE)
        await asyncio.sleep(0.05)
    return None


def _tone() -> Pcm:
    at = np.arange(round(RATE * TONE_S)) / RATE
    return np.asarray(8000 * np.sin(2 * np.pi * TONE_HZ * at), np.int16)


def tone_at(pcm: Pcm) -> int | None:
    """The first sample of 100 ms which are mostly our tone (Goertzel), or None."""
    wave = np.exp(-2j * np.pi * TONE_HZ * np.arange(_WINDOW) / RATE)
    for start in range(0, len(pcm) - _WINDOW + 1, _WINDOW // 2):
        piece = pcm[start : start + _WINDOW].astype(np.float64)
        power = float(np.sum(piece**2))
        if power / _WINDOW < 100**2:
            continue
        if 2 * abs(np.dot(piece, wave)) ** 2 / _WINDOW / power > _SHARE:
            return start
    return None


# --- in words -------------------------------------------------------------------------------------


def judge(heard: Heard) -> Verdict:
    if heard.status != 200:
        return _unanswered(heard)
    steps = [f"The echo line answered after {heard.answered_ms / 1000:.2f} s."]
    if heard.announced:
        steps.append("Its announcement was heard.")
    if heard.echoed_ms is not None:
        steps.append(f"Our tone came back after {heard.echoed_ms / 1000:.2f} s.")
    return _answered(heard, tuple(steps))


def _answered(heard: Heard, steps: tuple[str, ...]) -> Verdict:
    ports = "Open livekit-sip's RTP ports (rtp_port, UDP)"
    where = f"livekit-sip asks for sound at {heard.media}."
    if heard.echoed_ms is not None:
        return Verdict(ok=True, headline="The test call works, both ways.", steps=steps,
                       media=heard.media)  # fmt: skip
    if heard.announced:
        return Verdict(
            ok=False, headline="One-way audio: we hear the line, it does not hear us.",
            steps=(*steps, where), media=heard.media,
            advice=f"{ports} from outside, and check the address above (nat_1_to_1_ip or "
            "use_external_ip). Behind NAT this machine may not reach its own public address: then "
            "only a call from outside can tell.",
        )  # fmt: skip
    if heard.packets:
        headline = "Answered, but silent: sound arrives, and nothing can be heard in it."
        advice = "See the worker's log: the echo line did not speak."
    else:
        headline = "Answered, but silent: not one packet of sound arrives."
        advice = f"{ports} towards this machine, and look for a firewall or NAT between."
    return Verdict(ok=False, headline=headline, steps=(*steps, where), advice=advice,
                   media=heard.media)  # fmt: skip


_REFUSED = {
    401: "Another SIP server listens there, which asks for a password of its own.",
    403: "Another SIP server listens there, or livekit-sip's sip_trunk_ids leave our trunk out.",
    404: "livekit-sip took the call, but LiveKit found no rule. Look at the doctor's findings.",
    407: "The password was not accepted: is something between us and livekit-sip?",
    480: "No worker took the call in time. Start a worker.",
    486: "No worker took the call: start one, or all its lines are busy.",
    400: "livekit-sip did not like our sound: is PCMU switched off in its codecs?",
    488: "livekit-sip did not like our sound: is PCMU switched off in its codecs?",
    503: "livekit-sip is overloaded or draining. Look at its log.",
}


def _unanswered(heard: Heard) -> Verdict:
    if heard.status:
        return Verdict(
            ok=False, headline=f"The call was refused: {heard.reason}.",
            advice=_REFUSED.get(heard.status, "Look at livekit-sip's log."),
        )  # fmt: skip
    if heard.progress:
        return Verdict(
            ok=False, headline="The call rang, and nobody answered.",
            steps=("livekit-sip has received it.",),
            advice="Start a worker. If one runs, compare its LIVEKIT_URL and AGENT_NAME with ours.",
        )  # fmt: skip
    return Verdict(
        ok=False, headline="Nothing came back: no SIP server answers.",
        advice="Start livekit-sip, set SIP_ADDRESS to where it listens, and open that UDP port.",
    )  # fmt: skip


def media_trouble(sip_address: str, media: str) -> str:
    """Why carriers which reach `sip_address` (host:port) cannot send sound to `media`, or empty."""
    try:
        sip = socket.gethostbyname(sip_address.rpartition(":")[0])
        if _reach(media) >= _reach(sip):
            return ""
    except (OSError, ValueError):
        return ""
    kind = "its own machine" if _reach(media) == 0 else "a private network"
    return (
        f"livekit-sip asks for sound at {media}, which is an address of {kind}, while calls come "
        f"to {sip}: callers will hear nothing."
    )


def _reach(address: str) -> int:
    """0: this machine, 1: a private network, 2: everywhere."""
    found = ipaddress.ip_address(address)
    if found.is_loopback or found.is_unspecified:
        return 0
    return 2 if found.is_global else 1
