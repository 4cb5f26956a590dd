"""The one door to search in what was said. Newest call first, a call's turns as they were spoken.

PostgreSQL's index is quick for what is rare and slow for what is in most turns; for that, looking
through the newest calls is quick. Its statistics say beforehand which it is. So every page reads a
bounded number of turns, and none is counted.
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Prefetch, Q, QuerySet
from django.db.models.expressions import RawSQL

from agents.models import Project
from recordings import queries, spoken_index
from recordings.access import EVERY, visible_calls
from recordings.models import SpokenTurn
from recordings.queries import Query
from recordings.reading import Viewer
from recordings.search_filters import Narrowed, narrowed
from recordings.snippets import Segment, snippet
from telephony.models import ApiKey, Call

STEPS = (40, 160, 640, 2_560)  # calls looked through for one page, until it is full
_LAST = 2**31 - 1
_LARGEST = 2**63 - 1
ORDER = ("-started_at", "-call_id", "n")


class BadPlace(ValueError):
    """Not a place one of our pages ended at."""


@dataclass(frozen=True, slots=True)
class Place:
    """A turn; the next page begins behind it."""

    at: datetime
    call_id: int
    n: int

    def written(self) -> str:
        text = f"{self.at.isoformat()}|{self.call_id}|{self.n}"
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")

    @classmethod
    def read(cls, text: str) -> "Place":
        """Raises BadPlace."""
        try:
            plain = base64.urlsafe_b64decode(text.encode() + b"=" * (-len(text) % 4)).decode()
            moment, call_id, n = plain.split("|")
            found = cls(datetime.fromisoformat(moment), int(call_id), int(n))
        except (ValueError, binascii.Error) as reason:
            raise BadPlace(text) from reason
        if found.at.tzinfo is None or not (
            0 <= found.call_id <= _LARGEST and 0 <= found.n <= _LAST
        ):
            raise BadPlace(text)
        return found


@dataclass(frozen=True, slots=True)
class Hit:
    call: Call
    turn: SpokenTurn
    segments: tuple[Segment, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """`next`: where to go on, empty at the end. `back_to`: the page is not full, but older calls
    than this moment were not looked through yet."""

    hits: tuple[Hit, ...] = ()
    next: str = ""
    back_to: datetime | None = None


@dataclass(frozen=True, slots=True)
class _Found:
    """Keys of turns, at most one more than asked for; `reached` if older calls are left."""

    keys: list[int]
    reached: Place | None = None


def find(
    query: str,
    filters: Mapping[str, Any],
    viewer: Viewer | ApiKey,
    after: str = "",
    limit: int = 50,
) -> Page:
    """Turns with all words of the query, among the calls the viewer may read.

    No query is an error. Raises BadPlace for an `after` which is no `next`, KeyError for an
    unknown filter (search_filters.py).
    """
    asked = queries.parse(query)
    place = Place.read(after) if after else None
    narrow = narrowed(filters)
    if asked.is_empty:
        return Page()
    search = _Search(asked, narrow, visible_calls(viewer), place, limit)
    is_rare = spoken_index.is_rare(asked)
    return search.page(search.by_index() if is_rare else search.by_calls())


@dataclass(frozen=True, slots=True)
class _Search:
    query: Query
    narrow: Narrowed
    visible: Q
    place: Place | None
    limit: int

    def by_index(self) -> _Found:
        """All turns the index knows, put in order."""
        turns = self._turns(spoken_index.matches(self.query)).filter(self.narrow.cheap)
        beyond = self.narrow.rest & self.visible
        if beyond != EVERY:
            turns = turns.filter(call__in=Call.objects.filter(beyond))
        return _Found(list(_keys(turns)[: self.limit + 1]))

    def by_calls(self) -> _Found:
        """The newest calls' turns, more and more calls."""
        keys: list[int] = []
        calls = self._calls()
        condition = spoken_index.matches(self.query, row_by_row=True)
        for size in STEPS:
            step = list(calls.values_list("pk", "started_at")[:size])
            turns = self._turns(condition).filter(call__in=[pk for pk, _ in step])
            keys += _keys(turns)[: self.limit + 1 - len(keys)]
            if len(keys) > self.limit or len(step) < size:
                return _Found(keys)
            pk, at = step[-1]
            calls = calls.filter(started_at__lte=at).exclude(started_at=at, pk__gte=pk)
        return _Found(keys, Place(at, pk, _LAST))

    def _calls(self) -> "QuerySet[Call]":
        """The call a page begins in may have more turns."""
        calls = Call.objects.filter(self.narrow.calls & self.visible)
        if self.place:
            at, pk = self.place.at, self.place.call_id + (self.place.n < _LAST)
            calls = calls.filter(started_at__lte=at).exclude(started_at=at, pk__gte=pk)
        return calls.order_by("-started_at", "-pk")

    def _turns(self, condition: RawSQL) -> "QuerySet[SpokenTurn]":
        turns = SpokenTurn.objects.filter(condition, self.narrow.turns)
        return turns.filter(_behind(self.place)) if self.place else turns

    def page(self, found: _Found) -> Page:
        names = Prefetch("call__project", Project.objects.only("name", "slug"))
        full = SpokenTurn.objects.select_related("call").prefetch_related(names).defer("words")
        rows = full.in_bulk(found.keys)
        turns = [rows[key] for key in found.keys if key in rows]  # not those deleted meanwhile
        hits = tuple(
            Hit(turn.call, turn, snippet(turn.text, self.query)) for turn in turns[: self.limit]
        )
        if len(turns) > self.limit:
            last = turns[self.limit - 1]
            return Page(hits, Place(last.started_at, last.call_id, last.n).written())
        if found.reached:
            return Page(hits, found.reached.written(), found.reached.at)
        return Page(hits)


def _keys(turns: "QuerySet[SpokenTurn]") -> Any:
    return turns.order_by(*ORDER).values_list("pk", flat=True)


def _behind(place: Place) -> Q:
    """Turns after a place, in the order of pages."""
    same_call = Q(call__lt=place.call_id) | Q(call=place.call_id, n__gt=place.n)
    return Q(started_at__lt=place.at) | (Q(started_at=place.at) & same_call)
