"""Asks the parts around telephony whether they are fit for calls. Each raises OSError, or what its
driver raises, when nobody answers."""

import socket
import ssl
import urllib.error
import urllib.request
from datetime import datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import redis

from telephony.caller.options import options

WAIT_S = 2.0


def sip_status(address: str) -> int:
    """What a SIP server (host:port) answers to OPTIONS."""
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
