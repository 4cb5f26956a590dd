"""Writes the servers' own configuration files into DATA_DIR/run, on loopback throughout."""

import hashlib
import os
import tempfile
from pathlib import Path
from shlex import quote

import yaml

from deploy.edge import config as edge
from deploy.embedded.home import ROOT, Home, Trouble, port_range


def write(home: Home) -> None:
    _write(home.run / "redis.conf", redis(home))
    _write(home.run / "livekit.yaml", livekit(home))
    _write(home.run / "sip.yaml", sip(home))
    if home.has_edge:
        for name, text in edge.files(the_edge(home)).items():
            _write(home.run / "edge" / name, text)
    _write(home.run / "supervisord.conf", supervisord(home))


def _write(path: Path, text: str) -> None:
    """Secrets are inside: only the owner may read."""
    path.parent.mkdir(mode=0o700, exist_ok=True)
    path.touch(mode=0o600)
    path.write_text(text)


def redis(home: Home) -> str:
    return "\n".join(
        (
            "bind 127.0.0.1",
            f"port {home.env['REDIS_PORT']}",
            f'dir "{home.data / "redis"}"',
            "appendonly yes",  # trunks and rules live only here
            "appendfsync everysec",
            'save ""',
            "daemonize no",
            "set-proc-title no",  # a rewritten title would wipe our mark from its environment
            "",
        )
    )


def livekit(home: Home) -> str:
    first, last = port_range("LIVEKIT_UDP_PORTS", home.env["LIVEKIT_UDP_PORTS"])
    return yaml.safe_dump(
        {
            "port": home.port("LIVEKIT_PORT"),
            "bind_addresses": ["127.0.0.1"],
            "rtc": {
                "node_ip": "127.0.0.1",
                "enable_loopback_candidate": True,
                "use_external_ip": False,
                "tcp_port": 0,  # it would ignore bind_addresses
                "interfaces": {"includes": ["lo"]},
                "port_range_start": first,
                "port_range_end": last,
            },
            "redis": {"address": f"127.0.0.1:{home.env['REDIS_PORT']}"},
            "keys": {home.env["LIVEKIT_API_KEY"]: home.env["LIVEKIT_API_SECRET"]},
            "webhook": {
                "api_key": home.env["LIVEKIT_API_KEY"],
                "urls": [f"{home.env['PUBLIC_URL']}/hooks/livekit"],
            },
            "logging": {"json": True, "level": "info"},
        }
    )


def sip(home: Home) -> str:
    return yaml.safe_dump(
        {
            "api_key": home.env["LIVEKIT_API_KEY"],
            "api_secret": home.env["LIVEKIT_API_SECRET"],
            "ws_url": home.env["LIVEKIT_URL"],
            "redis": {"address": f"127.0.0.1:{home.env['REDIS_PORT']}"},
            "sip_port": home.port("SIP_PORT"),
            "rtp_port": home.env["SIP_RTP_PORTS"],
            "listen_ip": "127.0.0.1",
            "nat_1_to_1_ip": "127.0.0.1",  # without it, it wants an interface which is not loopback
            # RTP ports take no listen address; give them back right after the call
            "rtp_draining_idle_timeout": "1s",
            "rtp_draining_duration": "5s",
            # above 0.9 of the CPU it would place no call of ours (overflow, transfers, outbound)
            "max_cpu_utilization": 1,
            "logging": {"json": True, "level": "info"},
        }
    )


def the_edge(home: Home) -> edge.Edge:
    """Loopback on both sides: for trying it out, and for tests."""
    try:
        return edge.from_environment(home.env, home.run / "edge")
    except edge.BadEdge as reason:
        raise Trouble(str(reason)) from reason


def socket_path(home: Home) -> Path:
    """supervisord's unix socket; the kernel allows 107 characters."""
    path = home.run / "supervisor.sock"
    if len(str(path)) < 100:
        return path
    short = hashlib.sha256(str(home.data).encode()).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"contactcenter-{os.geteuid()}-{short}.sock"


def supervisord(home: Home) -> str:
    head = f"""\
[unix_http_server]
file={socket_path(home)}
chmod=0700

[supervisord]
directory={ROOT}
logfile={home.logs}/supervisord.log
pidfile={home.run}/supervisord.pid
childlogdir={home.logs}
nodaemon=false
umask=077

[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface

[supervisorctl]
serverurl=unix://{socket_path(home)}
"""
    return head + "".join(
        _program(home, name, command, priority)
        for priority, (name, command) in enumerate(commands(home).items(), start=1)
    )


def commands(home: Home) -> dict[str, str]:
    """In the order they start; they stop in the opposite one."""
    binaries, scripts = quote(str(ROOT / "bin")), quote(str(ROOT / ".venv" / "bin"))
    run, s3 = quote(str(home.run)), quote(str(home.data / "s3"))
    return {
        "redis": f"redis-server {run}/redis.conf",
        "s3": f"{binaries}/versitygw --port 127.0.0.1:{home.env['S3_PORT']} posix {s3}",
        "livekit-server": f"{binaries}/livekit-server --config {run}/livekit.yaml",
        "livekit-sip": f"{binaries}/livekit-sip --config {run}/sip.yaml",
        **({"edge": edge.command(home.run / "edge")} if home.has_edge else {}),
        "web": f"{scripts}/gunicorn contactcenter.wsgi --bind 127.0.0.1:{home.env['WEB_PORT']}"
        " --worker-class gthread --workers 1 --threads 8 --graceful-timeout 5",
        # what can wait makes way for calls which are being answered
        "celery": f"nice -n 10 {scripts}/celery -A contactcenter worker --concurrency 2"
        " --loglevel INFO --without-gossip --without-mingle",
        "beat": f"nice -n 10 {scripts}/celery -A contactcenter beat --schedule {run}/beat"
        " --loglevel WARNING --pidfile=",
        "worker": f"{scripts}/python -m agents.worker start",
    }


def _program(home: Home, name: str, command: str, priority: int) -> str:
    # supervisord reads % as the beginning of a substitution
    return f"""
[program:{name}]
command={command.replace("%", "%%")}
priority={priority}
autostart=false
autorestart=true
startsecs=1
startretries=1000
stopwaitsecs=10
stopasgroup={"false" if name in {"web", "celery", "worker"} else "true"}
killasgroup=true
redirect_stderr=true
stdout_logfile={home.logs}/{name}.log
stdout_logfile_maxbytes=20MB
stdout_logfile_backups=2
"""
