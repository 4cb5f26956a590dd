"""Where webhooks may go: not into our own house, unless the operator says so. Pure."""

from collections.abc import Iterable, Sequence
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from urllib.parse import urlsplit

LONGEST = 500
Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
# these carry an IPv4 address which somebody on the way may unpack
_NAT64 = IPv6Network("64:ff9b::/96")


class Forbidden(ValueError):
    """The text is for the supervisor who wrote the address."""


def check_url(url: str, *, private: Sequence[str]) -> str:
    """The address in its normal form. Raises Forbidden. Asks nobody, so names are not resolved."""
    url = url.strip()
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError as reason:
        raise Forbidden(f"“{url}” is no web address. Write one as https://example.com/h.") from (
            reason
        )
    if parts.scheme not in {"https", "http"} or not host or len(url) > LONGEST:
        raise Forbidden(f"“{url}” cannot be used. Write one as https://example.com/hook.")
    if parts.username is not None or parts.fragment or any(c.isspace() or c < "!" for c in url):
        raise Forbidden(
            "The address holds a name, a password, a # or a blank. Take it out; the receiver "
            "knows us by our signature."
        )
    if parts.scheme == "http" and not private:
        raise Forbidden(
            "http:// can be read on its way. Write https://; in a network of your own "
            "WEBHOOK_PRIVATE_NETWORKS allows http."
        )
    if literal := _literal(host):
        check_addresses(url, [literal], private=private)
    return url


def check_addresses(url: str, addresses: Iterable[Address], *, private: Sequence[str]) -> None:
    """Every address a name stands for must be allowed: one of them would be enough. Raises
    Forbidden."""
    open_to_all = urlsplit(url).scheme == "https"
    allowed = [ip_network(network) for network in private]
    for address in addresses:
        inner = unpacked(address)
        if any(inner in network for network in allowed):
            continue
        if not inner.is_global or inner.is_multicast:
            raise Forbidden(
                f"{inner} is not on the Internet, and webhooks may not reach our own network. "
                f"Choose another address, or add it to WEBHOOK_PRIVATE_NETWORKS."
            )
        if not open_to_all:
            raise Forbidden(f"{inner} is reached through the Internet. Write https://.")


def unpacked(address: Address) -> Address:
    """The IPv4 address inside an IPv6 one, if there is one."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped:
            return address.ipv4_mapped
        if address.sixtofour:
            return address.sixtofour
        if address in _NAT64:
            return IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def _literal(host: str) -> Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None
