"""Which addresses a source may be fetched from: not from inside our own house. Pure."""

import socket
from collections.abc import Callable, Iterable, Sequence
from ipaddress import ip_address, ip_network
from urllib.parse import urlsplit

from telephony.hook_address import Address, unpacked

_INSIDE = (".local", ".internal", ".lan", ".home", ".corp", ".localhost", ".localdomain")
Resolve = Callable[[str], Iterable[Address]]


class Forbidden(ValueError):
    """The text is for the supervisor who wrote the address."""


def check(url: str, *, private: Sequence[str]) -> str:
    """The address without blanks around it. Raises Forbidden. Asks nobody."""
    url = url.strip()
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError as reason:
        raise Forbidden(f"“{url}” is no web address.") from reason
    if parts.scheme not in {"http", "https"} or not host or len(url) > 500:
        raise Forbidden("Write an address by http or https, as https://example.com/music.mp3.")
    if parts.username is not None or any(c.isspace() or c < "!" for c in url):
        raise Forbidden("The address holds a name, a password or a blank. Take it out.")
    literal = _literal(host)
    if literal is not None:
        _require_outside([literal], private)
    elif not private and ("." not in host.rstrip(".") or host.rstrip(".").endswith(_INSIDE)):
        raise Forbidden(f"“{host}” is a name inside our own network. {_WAY_OUT}")
    return url


def check_resolved(url: str, *, private: Sequence[str], resolve: Resolve | None = None) -> None:
    """Every address its name stands for must be outside. Raises Forbidden.

    The ingress service asks for the name again by itself: in a network where that matters, let it
    out through a proxy which refuses private addresses (deploy/README.md).
    """
    host = urlsplit(check(url, private=private)).hostname or ""
    try:
        addresses = list((resolve or _resolve)(host))
    except OSError as reason:
        raise Forbidden(f"The name “{host}” is not known.") from reason
    _require_outside(addresses, private)


_WAY_OUT = "Choose another address, or add its network to INGRESS_PRIVATE_NETWORKS."


def _require_outside(addresses: Iterable[Address], private: Sequence[str]) -> None:
    allowed = [ip_network(network) for network in private]
    for address in addresses:
        inner = unpacked(address)
        if any(inner in network for network in allowed):
            continue
        if not inner.is_global or inner.is_multicast:
            raise Forbidden(f"{inner} is not on the Internet. {_WAY_OUT}")


def _resolve(host: str) -> Iterable[Address]:
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return {ip_address(str(entry[4][0]).partition("%")[0]) for entry in found}


def _literal(host: str) -> Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None
