"""LiveKit's ingress API: a part of the gateway, which alone makes it."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

from livekit import api

from telephony import translate_ingress
from telephony.errors import GatewayRefused, GatewayUnavailable
from telephony.ingress import IngressSpec, LiveIngress

T = TypeVar("T")
# livekit-server's words when it asks the ingress service to fetch a URL and nobody answers
_NO_SERVICE = "no response from servers"


class IngressCalls:
    if TYPE_CHECKING:

        def _call(
            self,
            send: Callable[[api.LiveKitAPI], Awaitable[T]],
            *,
            timeout_s: float | None = None,
        ) -> T: ...

        def _forget(self, send: Callable[[api.LiveKitAPI], Awaitable[object]]) -> None: ...

    def list_ingress(self) -> list[LiveIngress]:
        listing = self._call(lambda lk: lk.ingress.list_ingress(api.ListIngressRequest()))
        return [translate_ingress.live_ingress(info) for info in listing.items]

    def create_ingress(self, spec: IngressSpec) -> LiveIngress:
        """RTMP and WHIP: an address and a key to send to. URL: it is fetched from now on.

        Whoever has no id lists first: an earlier answer may have been lost on its way back.
        """
        request = translate_ingress.create_message(spec)
        return self._made(lambda lk: lk.ingress.create_ingress(request))

    def update_ingress(self, spec: IngressSpec, *, remote_id: str) -> LiveIngress:
        """Room and names of one which somebody sends to; it keeps its key."""
        request = translate_ingress.update_message(spec, remote_id)
        return self._made(lambda lk: lk.ingress.update_ingress(request))

    def delete_ingress(self, *, remote_id: str) -> None:
        """Gone, and silent if it played; one that is gone already is fine."""
        self._forget(
            lambda lk: lk.ingress.delete_ingress(api.DeleteIngressRequest(ingress_id=remote_id))
        )

    def _made(self, send: Callable[[api.LiveKitAPI], Awaitable[api.IngressInfo]]) -> LiveIngress:
        try:
            # without an ingress service LiveKit needs 3 s to say so (measured)
            return translate_ingress.live_ingress(self._call(send, timeout_s=10))
        except (GatewayUnavailable, GatewayRefused) as trouble:
            if _NO_SERVICE in str(trouble):
                raise GatewayRefused(
                    "No ingress service answered. Start one (deploy/README.md, “Ingress”); it is "
                    "tried again every minute."
                ) from trouble
            raise
