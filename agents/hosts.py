"""Which hosts an address which a supervisor typed may point to. Pure."""

from collections.abc import Iterable
from urllib.parse import urlsplit


def is_allowed(url: str, hosts: Iterable[str]) -> bool:
    """`hosts`: host (any port) or host:port, as an operator listed them."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    host = (parts.hostname or "").lower()
    known = {name.lower() for name in hosts}
    fits = host in known or f"{host}:{port}" in known
    return bool(host) and parts.scheme in {"http", "https"} and not parts.username and fits
