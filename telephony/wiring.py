"""Makes the gateway and the single-flight lock: the seam for tests. No other globals."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic, sleep

from django.conf import settings
from django.core.cache import cache

from telephony.edge import Edge, KamailioEdge
from telephony.gateway import Gateway, LiveKitGateway


def gateway() -> Gateway:
    return LiveKitGateway(
        url=settings.LIVEKIT_URL,
        key=settings.LIVEKIT_API_KEY,
        secret=settings.LIVEKIT_API_SECRET,
        agent_name=settings.AGENT_NAME,
    )


def edge() -> Edge:
    return KamailioEdge(url=settings.SIP_EDGE_RPC_URL, token=settings.SIP_EDGE_TOKEN)


@contextmanager
def single_flight(name: str, *, lease_s: int, wait_s: float) -> Iterator[bool]:
    """Yield True to one holder at a time; False if another held it for `wait_s` seconds.

    The lease ends by itself if its holder dies. It is a courtesy among our own processes, kept
    in the cache: whoever overruns it does nothing worse than a push that repeats.
    """
    key, mine = f"single-flight:{name}", uuid.uuid4().hex
    until = monotonic() + wait_s
    while not (got := cache.add(key, mine, timeout=lease_s)) and monotonic() < until:
        sleep(0.1)
    try:
        yield got
    finally:
        if got and cache.get(key) == mine:
            cache.delete(key)
