"""Gathers what the call page shows for reviewing: rows, markers, the panel. For one viewer."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from django.urls import reverse

from recordings import markers, review_queue, reviews, sharing
from recordings.models import CallTag, JournalEntry, Recording, Remark, Review, ShareLink
from recordings.page import Line, clock
from recordings.reading import CallPage, Viewer, may
from telephony.models import Call


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A line of the conversation, or a comment between two of them."""

    n: int = 0  # of the line, among the lines
    line: Line | None = None
    remark: Remark | None = None
    clock: str = ""
    seek_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    call: Call
    review: Review | None
    is_mine: bool
    notes: list[Remark]
    remarks: list[tuple[Remark, str]]  # with its clock
    tags: list[CallTag]
    shares: list[ShareLink]
    may_review: bool
    may_remark: bool
    may_tag: bool
    may_share: bool
    may_widen: bool
    viewer_id: int | None
    wish: review_queue.Wish
    verdicts: list[tuple[str, str]] = field(default_factory=lambda: list(Review.Verdict.choices))
    lasts: dict[int, str] = field(default_factory=lambda: sharing.LASTS)

    @property
    def state(self) -> str:
        return self.review.state if self.review else Review.State.OPEN

    @property
    def is_done(self) -> bool:
        return self.state == Review.State.DONE

    @property
    def is_taken(self) -> bool:
        return self.state == Review.State.TAKEN


def origin_of(call: Call) -> int:
    """The journal's time of the recording's first sample; 0 if there is none."""
    recording: Recording | None = getattr(call, "recording", None)
    return recording.starts_ms if recording else 0


def rows(page: CallPage, *, remarks: bool) -> list[Row]:
    origin = origin_of(page.call)
    found = [(line.at_ms, 0, Row(n=n, line=line)) for n, line in enumerate(page.lines)]
    for remark in _timed(page.call) if remarks else []:
        at = remark.at_ms or 0
        seek = max(0, at - origin) if page.play_url else None
        found.append((at, 1, Row(remark=remark, clock=clock(at - origin), seek_ms=seek)))
    return [row for _, _, row in sorted(found, key=lambda each: each[:2])]


def marks(page: CallPage, *, remarks: bool) -> list[markers.Marker]:
    call = page.call
    origin = origin_of(call)
    recording: Recording | None = getattr(call, "recording", None)
    end = origin + ((recording and recording.duration_ms) or 0)
    found = markers.of_lines(page.lines, origin=origin)
    found += markers.of_entries(_entries(call), origin=origin, end_ms=end)
    found += markers.of_spans(recording.mask if recording else [], origin=origin)
    for remark in _timed(call) if remarks else []:
        found.append(
            markers.of_remark(
                pk=remark.pk, at_ms=remark.at_ms or 0, text=remark.text,
                author=remark.author_name, origin=origin,
            )
        )  # fmt: skip
    found.sort(key=lambda marker: marker.at_ms)
    return [marker if marker.anchor else _anchored(marker, page.lines) for marker in found]


def _anchored(marker: markers.Marker, lines: list[Line]) -> markers.Marker:
    """To the last line which began before it."""
    before = sum(line.at_ms <= marker.at_ms for line in lines)
    return replace(marker, anchor=f"line-{max(0, before - 1)}")


def panel(*, call: Call, viewer: Viewer, wish: dict[str, Any], now: datetime) -> Panel | None:
    """None for who may not see reviews."""
    if not may(viewer, "recordings.view_review"):
        return None
    review = reviews.review_of(call.pk)
    remarks = Remark.objects.filter(call=call).order_by("at_ms", "created_at")
    origin = origin_of(call)
    may_share = may(viewer, "recordings.add_sharelink")
    return Panel(
        call=call,
        review=review,
        is_mine=bool(review and review.reviewer_id == viewer.pk),
        notes=[remark for remark in remarks if remark.at_ms is None],
        remarks=[(r, clock(r.at_ms - origin)) for r in remarks if r.at_ms is not None],
        tags=list(CallTag.objects.filter(call=call).select_related("tag").order_by("tag__name")),
        shares=list(ShareLink.objects.good(now).filter(call=call)) if may_share else [],
        may_review=may(viewer, "recordings.change_review"),
        may_remark=may(viewer, "recordings.add_remark"),
        may_tag=may(viewer, "recordings.add_calltag"),
        may_share=may_share,
        may_widen=may_widen(viewer),
        viewer_id=viewer.pk,
        wish=review_queue.Wish.read(wish),
    )


def may_widen(viewer: Viewer) -> bool:
    """Nobody gives others what he has not himself."""
    needed = ("add_sharelink", "widen_sharelink", "view_recording")
    return all(may(viewer, f"recordings.{name}") for name in needed)


def shape_url(page: CallPage, viewer: Viewer, token: str = "") -> str:
    if not page.play_url:
        return ""
    if token:
        return reverse("recordings:shared_shape", args=[token])
    return reverse("recordings:shape", args=[page.call.pk])


def _timed(call: Call) -> list[Remark]:
    return list(Remark.objects.filter(call=call, at_ms__isnull=False).order_by("at_ms", "pk"))


def _entries(call: Call) -> list[tuple[int, str, dict[str, Any]]]:
    entries = JournalEntry.objects.filter(call=call, kind__in=markers.JOURNAL_KINDS)
    shifts = JournalEntry.objects.shifts(call.pk)
    told = [(e.ms + shifts.get(e.journal, 0), e.kind, e.data) for e in entries]
    return sorted(told, key=lambda each: each[0])
