"""Asks the parts around telephony whether they are fit for calls. Each raises OSError, or what its
driver raises, when nobody answers."""

import ipaddress
import socket
import ssl
import urllib.error
import urllib.request
from datetime import datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from urllib.parse import urlsplit

import redis

from telephony.caller.options import options

WAIT_S = 2.0


def sip_status(address: str) -> int:
    """What a SIP server (host:port) answers to OPTIONS. livekit-sip answers 200 even with
    hide_inbound_port (seen on 1.8.0)."""
    host, _, port = address.rpartition(":")
    return options(host, int(port), wait_s=WAIT_S)


def clock_offset_s(url: str, now: datetime) -> float | None:
    """How far LiveKit's clock is ahead of `now`, in s; None if it does not tell. Whole seconds."""
    request = urllib.request.Request(_http(url), method="HEAD")  # noqa: S310 _http made it so
    try:
        with urllib.request.urlopen(request, timeout=WAIT_S) as answer:  # noqa: S310
            told = answer.headers.get("Date")
    except urllib.error.HTTPError as refusal:
        told = refusal.headers.get("Date")
    return (parsedate_to_datetime(told) - now).total_seconds() if told else None


def _http(url: str) -> str:
    parts = urlsplit(url)
    scheme = "https" if parts.scheme in {"wss", "https"} else "http"
    return parts._replace(scheme=scheme).geturl()


def certificate_until(url: str) -> datetime | None:
    """When the certificate behind a wss:// or https:// address ends; None for plain ones. Raises
    ssl.SSLError (an OSError) if nobody should trust it."""
    parts = urlsplit(url)
    if parts.scheme not in {"wss", "https"} or not parts.hostname:
        return None
    context = ssl.create_default_context()
    with (
        socket.create_connection((parts.hostname, parts.port or 443), WAIT_S) as line,
        context.wrap_socket(line, server_hostname=parts.hostname) as safe,
    ):
        found = safe.getpeercert() or {}
    ends = ssl.cert_time_to_seconds(str(found["notAfter"]))
    return datetime.fromtimestamp(ends).astimezone()


def redis_keeps(url: str) -> bool:
    """Whether Redis writes what it holds to a disk. Raises redis.RedisError."""
    with redis.Redis.from_url(url, socket_timeout=WAIT_S, socket_connect_timeout=WAIT_S) as client:
        facts = client.info("persistence")
        if facts.get("aof_enabled"):
            return True
        return bool(client.config_get("save").get("save"))


class Reach(StrEnum):
    ANSWERS = "answers"
    SILENT = "silent"
    UNKNOWN_HOST = "unknown host"


def carrier(address: str, transport: str) -> Reach:
    """Whether a carrier's host (host or host:port) exists and answers. Raises nothing."""
    host, port = _host_and_port(address, 5061 if transport == "tls" else 5060)
    try:
        socket.getaddrinfo(host, port)
    except (OSError, UnicodeError):
        return Reach.UNKNOWN_HOST
    try:
        if transport in {"tcp", "tls"}:
            socket.create_connection((host, port), WAIT_S).close()
        else:
            options(host, port, wait_s=WAIT_S)
    except (OSError, UnicodeError):
        return Reach.SILENT
    return Reach.ANSWERS


def _host_and_port(address: str, usual: int) -> tuple[str, int]:
    host, colon, port = address.rpartition(":")
    return (host, int(port)) if colon and port.isdecimal() else (address, usual)


def is_public(address: str) -> bool:
    """Whether host:port is reached from the Internet, as far as its name tells. A name which cannot
    be found counts as public: it may be known elsewhere."""
    host, _ = _host_and_port(address, 5060)
    try:
        return ipaddress.ip_address(socket.gethostbyname(host)).is_global
    except (OSError, UnicodeError):
        return True
