"""Whether an address is in the house. Pure: nobody is asked, the name alone decides."""

from ipaddress import ip_address
from urllib.parse import urlsplit

from agents.plan import Stage
from agents.providers import PROVIDERS

_ENDINGS = (".local", ".internal", ".lan", ".home.arpa", ".svc", ".localhost")


def is_private(host: str) -> bool:
    try:
        address = ip_address(host)
    except ValueError:
        return "." not in host or host.endswith(_ENDINGS)
    return address.is_private or address.is_loopback or address.is_link_local


def stays_inside(stage: Stage) -> bool:
    """Whether what a caller says stays in the house when this member of a chain serves."""
    provider = PROVIDERS.get(stage.provider)
    if provider is not None and provider.embedded:
        return True
    host = urlsplit(str(stage.options.get("base_url", ""))).hostname
    return bool(host) and is_private(str(host))
