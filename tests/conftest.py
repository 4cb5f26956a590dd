"""Fixtures shared by all kinds of tests. No assertions."""

import pytest
from celery import current_app

from telephony import wiring
from tests.fakes.livekit import FakeGateway


@pytest.fixture(autouse=True)
def cache_in_memory(settings):
    """Locks and remembered warnings need no Redis in the ordinary suite."""
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
    from django.core.cache import cache

    cache.clear()


@pytest.fixture
def livekit(monkeypatch) -> FakeGateway:
    """A LiveKit in memory, wired in wherever ours asks for one."""
    fake = FakeGateway()
    monkeypatch.setattr(wiring, "gateway", lambda: fake)
    return fake


@pytest.fixture
def tasks_at_once():
    """Tasks run where they are queued, without their countdown."""
    current_app.conf.update(task_always_eager=True, task_eager_propagates=True)
    yield
    current_app.conf.update(task_always_eager=False, task_eager_propagates=False)
