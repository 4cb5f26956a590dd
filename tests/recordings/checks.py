"""Calls with recordings in a store, for tests of what compares both."""

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

from django.utils import timezone

from recordings import services, storecheck
from recordings.models import Recording, StoreCheck, StoreFinding
from recordings.slices import Until
from recordings.storage import Bucket
from telephony.models import Call
from tests.factories import make_call
from tests.oggs import ogg

DAY = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
LATER = DAY + timedelta(days=2)


def recorded(n: int = 1, *, ms: int = 12_000, plan: Any = None, **values: Any) -> Call:
    """A call of that length which is over and was recorded; nothing is in the store yet."""
    began = values.pop("began", DAY) + timedelta(minutes=n)
    answered = began + timedelta(seconds=1)
    call = make_call(
        room=f"call_{n}_abc", state="ended", end_reason="caller", started_at=began,
        answered_at=answered, ended_at=answered + timedelta(milliseconds=ms),
        project=plan.project if plan else None, plan_digest=plan.digest if plan else "",
        caller=f"+120255501{n:02}"[:12], **values,
    )  # fmt: skip
    body = ogg(ms)
    Recording.objects.create(
        call=call, recorder="worker", state="stored", object_key=services.object_key(call),
        size=len(body), sha256=hashlib.sha256(body).hexdigest(), duration_ms=ms, created_at=began,
        stored_at=call.ended_at,
    )  # fmt: skip
    return call


def check(bucket: Bucket, *, thorough: bool = False, until: Any = Until) -> StoreCheck:
    """A whole run over the days around DAY."""
    run = storecheck.request_check(
        first=DAY.date(), last=DAY.date() + timedelta(days=1), by="ann", now=timezone.now(),
        thorough=thorough,
    )  # fmt: skip
    while storecheck.go_on(check_id=run.pk, bucket=bucket, now=timezone.now(), until=until()):
        pass
    run.refresh_from_db()
    return run


def found() -> list[tuple[str, str]]:
    """Kind and object of what is still wrong."""
    rows = StoreFinding.objects.filter(fixed_at=None).order_by("object_key", "kind")
    return list(rows.values_list("kind", "object_key"))


def kinds() -> list[str]:
    return [kind for kind, _ in found()]
