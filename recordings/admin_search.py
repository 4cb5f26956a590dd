"""The page to search in what was said: a box, filters, and what was found by call."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from django.contrib import admin
from django.http import HttpRequest, QueryDict
from django.urls import reverse
from django.utils import timezone

from recordings import access_log, queries, reading, search
from recordings import page as lines
from recordings.access_log import What
from recordings.admin_figures import ReadOnlyPage
from recordings.forms_search import SearchForm
from recordings.models import Recording, SpokenTurn
from recordings.search import Hit, Page
from recordings.snippets import Segment
from telephony import shapes
from telephony.models import Call

PLACE = "after"
EXAMPLES = (
    ("opening hours", "both words, anywhere in what one of them said"),
    ("“opening hours”", "the words one after another"),
    ("cancel*", "every word which begins so: cancelled, cancellation"),
    ("refund -paid", "the first word, and not the second"),
)


@dataclass(frozen=True, slots=True)
class Line:
    who: str
    tone: str
    clock: str
    url: str  # empty: this viewer may not open calls
    segments: tuple[Segment, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """What was found in one call."""

    call: Call
    title: str
    state: str
    url: str
    lines: tuple[Line, ...]


@admin.register(SpokenTurn)
class SpokenTurnAdmin(ReadOnlyPage):
    page_template = "recordings/search.html"
    page_title = "Search in conversations"

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """There is the search, and no page of a single turn."""
        return obj is None and reading.may(request.user, "recordings.view_transcript")

    def page(self, request: HttpRequest) -> dict[str, Any]:
        asked = request.GET.get("q", "").strip()
        form = SearchForm(request.GET)
        found, is_first = _found(request, asked, form)
        if asked:  # not the words: they may be a caller's
            note = f"{len(found.hits)} lines on this page"
            access_log.note(
                user=request.user, what=What.SEARCH, call=None, how=note, request=request
            )
        may_open = reading.may(request.user, "telephony.view_call")
        return {
            "asked": asked,
            "form": form,
            "is_narrowed": bool(form.chosen),
            "groups": _groups(found.hits, may_open=may_open),
            "found": found,
            "next": _query(request.GET, **{PLACE: found.next}) if found.next else "",
            "newest": "" if is_first else _query(request.GET, **{PLACE: ""}),
            "unfiltered": _query(QueryDict(), q=asked),
            "beginning": _beginning(request.GET, asked),
            "is_empty": bool(asked) and queries.parse(asked).is_empty,
            "examples": EXAMPLES,
        }  # fmt: skip


def _found(request: HttpRequest, asked: str, form: SearchForm) -> tuple[Page, bool]:
    """The page asked for, and whether it is the first; for a mangled address that one."""
    place = request.GET.get(PLACE, "")
    try:
        return search.find(asked, form.chosen, request.user, after=place), not place
    except search.BadPlace:
        return search.find(asked, form.chosen, request.user), True


def _groups(hits: Iterable[Hit], *, may_open: bool) -> list[Group]:
    hits = list(hits)
    origins = dict(
        Recording.objects.filter(call__in={hit.call.pk for hit in hits}).values_list(
            "call", "starts_ms"
        )
    )
    return [
        _group(list(of_call), origins, may_open=may_open)
        for _, of_call in groupby(hits, key=lambda hit: hit.call.pk)
    ]


def _group(hits: list[Hit], origins: dict[int, int], *, may_open: bool) -> Group:
    call = hits[0].call
    url = reverse("admin:telephony_call_change", args=[call.pk]) if may_open else ""
    caller, called = (shapes.readable(number) for number in (call.caller, call.called))
    return Group(
        call=call,
        title=f"{caller or 'withheld'} → {called or '?'}",
        state=reading.duration(call, now=timezone.now()),
        url=url,
        lines=tuple(_line(hit, url, origins.get(call.pk, 0)) for hit in hits),
    )


def _line(hit: Hit, url: str, origin: int) -> Line:
    turn = hit.turn
    return Line(
        who=lines.WHO.get(turn.who, turn.who),
        tone="agent" if turn.who == "agent" else "caller",
        clock=lines.clock(turn.start_ms - origin),
        url=f"{url}#t{turn.start_ms}" if url else "",
        segments=hit.segments,
    )


def _query(asked: QueryDict, **changed: str) -> str:
    """The address of this page with other values; empty ones are left out."""
    query = asked.copy()
    for name, value in changed.items():
        query[name] = value
    for name in [name for name, value in query.items() if not value]:
        del query[name]
    return f"?{query.urlencode()}"


def _beginning(asked: QueryDict, text: str) -> str:
    """The same search for words which begin so, where that is another one."""
    words = text.split()
    if not words or any(mark in text for mark in '"“”„*-'):
        return ""
    return _query(asked, q=" ".join(f"{word}*" for word in words), after="")
