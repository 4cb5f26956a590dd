"""Who heard, read, took or shared what. Written by whoever lets it happen, before he does."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from ipaddress import ip_address
from typing import Any

from django.http import HttpRequest
from django.utils import timezone

from recordings.models import AccessLog
from telephony.api.security import address_of
from telephony.models import Call

What = AccessLog.What
_WORDS = {"play": What.PLAY, "heard": What.PLAY, "read": What.TRANSCRIPT, "share": What.SHARE}
AGAIN = timedelta(minutes=10)  # a page which refreshes itself is one look


def note(
    *,
    user: Any,
    what: str,
    call: Call | int | None,
    how: str = "",
    request: HttpRequest | None = None,
    who: str = "",
    now: datetime | None = None,
) -> AccessLog:
    """`user`: whoever is logged in, or None for a program, which `who` names. `how`: in a few
    words, without anything a caller said or a number. `request` gives the address."""
    call_id = call.pk if isinstance(call, Call) else call
    row = _row(user=user, what=what, call_id=call_id, how=how, who=who, now=now)
    row.address = _address(request)
    row.save()
    return row


def note_all(*, user: Any, what: str, calls: Sequence[int], how: str = "") -> None:
    """As `note`, one line for each of many calls, all at once."""
    AccessLog.objects.bulk_create(
        _row(user=user, what=what, call_id=call_id, how=how) for call_id in calls
    )


def _row(
    *,
    user: Any,
    what: str,
    call_id: int | None,
    how: str,
    who: str = "",
    now: datetime | None = None,
) -> AccessLog:
    kind, how = _kind(what, how)
    known = user if user is not None and getattr(user, "is_authenticated", False) else None
    name = who or (known.get_username() if known else "somebody not logged in")
    return AccessLog(
        at=now or timezone.now(), user=known, who=name[:150], what=kind, call_id=call_id,
        how=how[:200],
    )  # fmt: skip


def _kind(what: str, how: str) -> tuple[str, str]:
    """What is written in plain words falls under one of the kinds; the words go with it."""
    if what in What.values:
        return what, how
    for begins, kind in _WORDS.items():
        if what.startswith(begins):
            return kind, f"{what}: {how}" if how else what
    return what[:40], how


def note_look(
    *, user: Any, what: str, call: Call, how: str = "", request: HttpRequest | None = None
) -> None:
    """As `note`, once in ten minutes for the same person and call."""
    since = timezone.now() - AGAIN
    rows = AccessLog.objects.filter(call=call, what=what, at__gt=since, user=user)
    if not rows.exists():
        note(user=user, what=what, call=call, how=how, request=request)


def _address(request: HttpRequest | None) -> str | None:
    """Behind a proxy what API_PROXIES says; nothing if that is no address."""
    try:
        return str(ip_address(address_of(request))) if request else None
    except ValueError:
        return None
