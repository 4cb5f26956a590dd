"""LiveKit's trunks and rules of one moment, fetched once, for all who look at them together."""

from collections.abc import Callable
from typing import Any, cast

from telephony.errors import GatewayRefused, GatewayUnavailable
from telephony.gateway import Gateway
from telephony.sync import LiveRule, LiveTrunk


class _Seen:
    """Lists once. That LiveKit is away is remembered, too: it is waited for once."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._lists: dict[str, list[Any]] = {}
        self._trouble: GatewayUnavailable | GatewayRefused | None = None

    def list_trunks(self) -> list[LiveTrunk]:
        return self._once("trunks", self._gateway.list_trunks)

    def list_rules(self) -> list[LiveRule]:
        return self._once("rules", self._gateway.list_rules)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._gateway, name)

    def _once(self, name: str, fetch: Callable[[], list[Any]]) -> list[Any]:
        if self._trouble:
            raise self._trouble
        if name not in self._lists:
            try:
                self._lists[name] = fetch()
            except (GatewayUnavailable, GatewayRefused) as trouble:
                self._trouble = trouble
                raise
        return list(self._lists[name])


def once(gateway: Gateway) -> Gateway:
    return cast(Gateway, _Seen(gateway))
