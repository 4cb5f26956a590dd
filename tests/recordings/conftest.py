"""What a worker says, and a store which takes it."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.utils import timezone

from agents.entries import Entry
from recordings import wiring
from tests.factories import NOW
from tests.fakes.bucket import FakeBucket

ROOM = "call_+12025550123_abc"
JOB = "AJ_one"


@pytest.fixture
def bucket(monkeypatch) -> FakeBucket:
    """A store in memory, wired in wherever ours asks for one."""
    fake = FakeBucket()
    monkeypatch.setattr(wiring, "bucket", lambda: fake)
    return fake


@pytest.fixture
def clock(monkeypatch) -> "Clock":
    """What the product takes for now: NOW and a bit, until the test moves it."""
    clock = Clock()
    monkeypatch.setattr(timezone, "now", lambda: clock.now)
    return clock


class Clock:
    def __init__(self) -> None:
        self.now = NOW + timedelta(seconds=6)

    def move(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def post(client, django_capture_on_commit_callbacks) -> Callable[..., Any]:
    """As a worker posts: with the token, and everything which hangs on the commit done."""

    def post(path: str, body: Any, *, token: str | None = None) -> Any:
        shown = settings.WORKER_TOKEN if token is None else token
        with django_capture_on_commit_callbacks(execute=True):
            return client.post(
                f"/internal/{path}",
                data=body,
                content_type="application/json",
                headers={"Authorization": f"Bearer {shown}"},
            )

    return post


def story(*told: tuple[str, dict[str, Any]], first: int = 0) -> list[Entry]:
    """Entries one second apart, from (kind, data)."""
    return [
        Entry(
            n=n,
            ms=n * 1000,
            at=(NOW + timedelta(seconds=n)).isoformat(),
            kind=kind,  # type: ignore[arg-type]
            data=data,
        )
        for n, (kind, data) in enumerate(told, start=first)
    ]


def turn(who: str, text: str, start_ms: int = 0, **more: Any) -> tuple[str, dict[str, Any]]:
    data = {
        "who": who, "text": text, "start_ms": start_ms, "end_ms": start_ms + 500,
        "interrupted": False, "via": "speech", "latency": {},
    }  # fmt: skip
    return "turn", data | more


def closed(reason: str = "caller", **more: Any) -> tuple[str, dict[str, Any]]:
    return "closed", {"reason": reason, "answered": True, "talked_ms": 1000} | more


def opened(**more: Any) -> tuple[str, dict[str, Any]]:
    data = {
        "room": ROOM, "job": JOB, "sip_call_id": "SCL_1", "caller": "+12025550123",
        "called": "+12025550100", "trunk": "", "plan": "", "worker": "AW_1",
    }  # fmt: skip
    return "opened", data | more


ANSWERED: tuple[str, dict[str, Any]] = ("answered", {})
A_CALL = (
    opened(),
    ANSWERED,
    turn("agent", "Hello, this is the shop.", 2000, via="greeting"),
    turn("caller", "When are you open?", 3000),
    turn("agent", "From nine to six.", 4000, via="answer", latency={"total": 610}),
    closed(),
)
