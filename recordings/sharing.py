"""Links to one call for colleagues. The database keeps a hash of the token."""

import hashlib
import secrets
from datetime import datetime, timedelta

from django.db.models import F

from recordings.models import ShareLink
from recordings.reading import Viewer

LASTS = {
    1: "1 hour", 8: "8 hours", 24: "1 day", 72: "3 days", 168: "7 days", 720: "30 days",
}  # fmt: skip


def share(
    *, call_id: int, user: Viewer, hours: int, at_ms: int | None, widens: bool,
    now: datetime,
) -> tuple[ShareLink, str]:  # fmt: skip
    """A link and its token, which is never to be seen again. Between an hour and thirty days."""
    token = secrets.token_urlsafe(32)
    link = ShareLink.objects.create(
        call_id=call_id, token_hash=_hash(token), at_ms=at_ms, widens=widens,
        created_by_id=user.pk, created_by_name=user.get_username(), created_at=now,
        expires_at=now + timedelta(hours=min(max(hours, 1), 720)),
    )  # fmt: skip
    return link, token


def find(*, token: str, now: datetime) -> ShareLink | None:
    """None for a link which was never there, has expired or was revoked: nobody is told which."""
    good = ShareLink.objects.good(now).select_related(
        "created_by", "call__project", "call__recording__shape", "call__transcript"
    )
    return good.filter(token_hash=_hash(token)).first()


def opened(*, link: ShareLink, now: datetime) -> None:
    ShareLink.objects.filter(pk=link.pk).update(opened=F("opened") + 1, last_opened_at=now)


def revoke(*, link_id: int, user: Viewer, now: datetime) -> bool:
    good = ShareLink.objects.good(now).filter(pk=link_id)
    return good.update(revoked_at=now, revoked_by_name=user.get_username()) == 1


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
