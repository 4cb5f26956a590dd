"""Reviews of calls: taken by one person, judged, given back. Each move is a conditional UPDATE."""

from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet

from recordings.errors import RecordingError
from recordings.models import CallTag, Remark, Review, Tag
from recordings.reading import Viewer
from telephony import events

State = Review.State
FORGOTTEN = timedelta(hours=24)  # so long a call stays with somebody who does not judge it
LONGEST = 4000  # letters of a remark
MOST_TAGS = 20  # of one call


class ReviewError(RecordingError):
    """What was asked for cannot be done. The text says why."""


# --- whose it is, and what became of it -----------------------------------------------------------


def take(*, call_id: int, user: Viewer, now: datetime) -> bool:
    """The call is this person's to review. False: somebody else has it, or it is reviewed."""
    Review.objects.get_or_create(call_id=call_id)
    free = Review.objects.filter(call_id=call_id).takeable(forgotten_before=now - FORGOTTEN)
    mine = {"reviewer_id": user.pk, "reviewer_name": user.get_username()}
    taken = free.update(state=State.TAKEN, taken_at=now, verdict="", reviewed_at=None, **mine)
    return taken == 1 or _mine(call_id, user).exists()


def finish(*, call_id: int, user: Viewer, verdict: str, now: datetime) -> bool:
    """Reviewed, with a verdict. False: it is not this person's (any more)."""
    if verdict not in Review.Verdict.values:
        raise ReviewError("Choose a verdict.")
    with transaction.atomic():
        done = _mine(call_id, user).update(state=State.DONE, verdict=verdict, reviewed_at=now)
        if done:
            events.emit("call_reviewed", payload={"call": call_id, "verdict": verdict})
    return done == 1


def release(*, call_id: int, user: Viewer) -> bool:
    """Back into the queue, unreviewed."""
    return _mine(call_id, user).update(**_NOBODY) == 1


def reopen(*, call_id: int) -> bool:
    """A reviewed call becomes unreviewed; its verdict is gone."""
    return Review.objects.filter(call_id=call_id, state=State.DONE).update(**_NOBODY) == 1


def release_forgotten(*, now: datetime) -> int:
    old = Review.objects.filter(state=State.TAKEN, taken_at__lt=now - FORGOTTEN)
    return old.update(**_NOBODY)


_NOBODY: dict[str, Any] = {
    "state": State.OPEN, "reviewer": None, "reviewer_name": "", "taken_at": None,
    "verdict": "", "reviewed_at": None,
}  # fmt: skip


def _mine(call_id: int, user: Viewer) -> QuerySet[Review]:
    return Review.objects.filter(call_id=call_id, state=State.TAKEN, reviewer_id=user.pk)


# --- comments and notes ---------------------------------------------------------------------------


def add_remark(
    *, call_id: int, user: Viewer, text: str, at_ms: int | None, now: datetime
) -> Remark:
    """`at_ms` on the journal's clock; None: a note on the whole call. Raises ReviewError."""
    return Remark.objects.create(
        call_id=call_id, at_ms=at_ms, text=_text(text), author_id=user.pk,
        author_name=user.get_username(), created_at=now,
    )  # fmt: skip


def edit_remark(*, remark_id: int, user: Viewer, text: str, now: datetime) -> bool:
    """False: it is somebody else's, or gone. Raises ReviewError."""
    own = Remark.objects.filter(pk=remark_id, author_id=user.pk)
    return own.update(text=_text(text), edited_at=now) == 1


def delete_remark(*, remark_id: int, user: Viewer) -> bool:
    deleted, _ = Remark.objects.filter(pk=remark_id, author_id=user.pk).delete()
    return deleted > 0


def _text(text: str) -> str:
    text = text.replace("\x00", "").strip()
    if not text:
        raise ReviewError("Nothing was written.")
    if len(text) > LONGEST:
        raise ReviewError(f"This is longer than {LONGEST} letters. Shorten it.")
    return text


# --- tags -----------------------------------------------------------------------------------------


def add_tags(*, call_id: int, user: Viewer, words: str, now: datetime) -> list[str]:
    """Words between commas; what the call has already stays as it is. Raises ReviewError."""
    names = [name for name in map(_tag_name, words.split(",")) if name]
    if not names:
        raise ReviewError("No tag was written.")
    there = CallTag.objects.filter(call_id=call_id)
    with transaction.atomic():
        if len(set(there.values_list("tag__name", flat=True)) | set(names)) > MOST_TAGS:
            raise ReviewError(f"A call has at most {MOST_TAGS} tags. Remove one first.")
        for name in names:
            tag, _ = Tag.objects.get_or_create(name=name)
            CallTag.objects.get_or_create(
                call_id=call_id, tag=tag,
                defaults={"added_by": user.get_username(), "added_at": now},
            )  # fmt: skip
    return names


def remove_tag(*, call_tag_id: int) -> bool:
    """The word itself goes when no call has it any more."""
    with transaction.atomic():
        deleted, _ = CallTag.objects.filter(pk=call_tag_id).delete()
        if deleted:
            Tag.objects.filter(calls=None).delete()
    return deleted > 0


def tags_like(text: str, *, most: int = 12) -> list[str]:
    found = Tag.objects.filter(name__startswith=_tag_name(text)).order_by("name")
    return list(found.values_list("name", flat=True)[:most])


def _tag_name(word: str) -> str:
    """One spelling for all: small letters, single spaces."""
    name = " ".join(word.replace("\x00", "").casefold().split())
    if len(name) > 40:
        raise ReviewError("A tag has at most 40 letters.")
    return name


def review_of(call_id: int) -> Review | None:
    """None, or a row nobody has taken: the call is unreviewed."""
    return Review.objects.filter(call_id=call_id).first()


def open_of(user: Viewer) -> QuerySet[Review]:
    """Calls this person has taken and not judged, oldest first."""
    mine = Q(reviewer_id=user.pk, state=State.TAKEN)
    return Review.objects.filter(mine).select_related("call__project").order_by("taken_at")
