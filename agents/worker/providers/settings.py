"""From a stage's options, and an address as providers document it (DEEPGRAM_BASE_URL …), to what
a plugin is called with."""

from typing import Any
from urllib.parse import urlsplit

from agents.worker.providers.material import Material

NO_KEY = "none"  # servers of one's own may need none, but plugins insist on some text
WYOMING_PORT = 10200


def settings(
    material: Material,
    options: dict[str, Any],
    *,
    path: str = "",
    socket: bool = False,
    **usual: Any,
) -> dict[str, Any]:
    """Our usual settings, the plan's options, and the address with `path`: the later ones win.

    Without a base URL none is named: the plugin knows its provider's own.
    """
    chosen = {**usual, **options}
    root = root_of(options).removesuffix(path)
    if root:
        chosen["base_url"] = (root.replace("http", "ws", 1) if socket else root) + path
    chosen["api_key"] = material.key or (NO_KEY if root else "")
    return chosen


def root_of(options: dict[str, Any]) -> str:
    return str(options.get("base_url", "")).rstrip("/")


def own_server(options: dict[str, Any]) -> str:
    """The address of a server of the operator's; without one a plugin would go to the internet.

    Raises ValueError."""
    if root := root_of(options):
        return root
    raise ValueError("it has no base URL. Enter the address of your server in its account")


def wyoming_host(url: str) -> tuple[str, int] | None:
    """Host and port of a server which speaks Wyoming; None: the address is one of HTTP."""
    parts = urlsplit(url if "://" in url else f"tcp://{url}")
    if parts.scheme in {"tcp", "wyoming"} or parts.port == WYOMING_PORT:
        return parts.hostname or "localhost", parts.port or WYOMING_PORT
    return None
