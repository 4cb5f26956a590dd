"""Lists of history in the admin: newest first, a page as quick among a million rows as among ten.

Nothing is counted, and a page begins after the last row of the page before it instead of after so
many rows. So there are no page numbers: there is newer, older, and a choice of days.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.core.paginator import Paginator
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime
from unfold.contrib.filters.admin import RangeDateFilter
from unfold.views import ChangeList

OLDER, NEWER = "before", "after"  # the rows before or after this one, as `<moment>,<id>`


class HistoryPaginator(Paginator):  # type: ignore[type-arg]
    """Holds what the template asks for; the list fetches its rows itself."""

    template_name = "telephony/history_pages.html"


class HistoryList(ChangeList):  # type: ignore[misc]
    """Needs a model admin with `history_field`: the moment by which rows are in order."""

    newer = older = ""  # query strings of the neighbouring pages; empty: there is none

    def get_queryset(self, request: HttpRequest, *rest: Any, **more: Any) -> QuerySet[Any]:
        for name in (OLDER, NEWER):  # no filters of ours
            self.params.pop(name, None)
            self.filter_params.pop(name, None)
        found: QuerySet[Any] = super().get_queryset(request, *rest, **more)
        return found

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[str]:
        return [f"-{self.model_admin.history_field}", "-pk"]

    def get_ordering_field_columns(self) -> dict[int, str]:
        return {}

    def get_results(self, request: HttpRequest) -> None:
        backwards = bool(_place(request.GET, NEWER))
        rows, more = self._page(request.GET, backwards=backwards)
        self.result_list, self.result_count, self.full_result_count = rows, len(rows), len(rows)
        self.paginator = HistoryPaginator(rows, self.list_per_page)
        self.can_show_all = self.show_all = self.multi_page = False
        self.page_num = 1
        is_first = not backwards and not _place(request.GET, OLDER)
        if rows and (more if backwards else not is_first):
            self.newer = self._link(NEWER, rows[0])
        if rows and (backwards or more):
            self.older = self._link(OLDER, rows[-1])

    def _page(self, query: Mapping[str, str], *, backwards: bool) -> tuple[list[Any], bool]:
        """The rows of this page, and whether there are more in the direction we came from."""
        field, size = self.model_admin.history_field, self.list_per_page
        wanted = self.queryset
        if place := _place(query, NEWER if backwards else OLDER):
            wanted = wanted.filter(_beyond(field, *place, later=backwards))
        if backwards:
            wanted = wanted.order_by(field, "pk")
        rows = list(wanted[: size + 1])
        page = rows[:size]
        return (page[::-1] if backwards else page), len(rows) > size

    def _link(self, direction: str, row: Any) -> str:
        moment: datetime = getattr(row, self.model_admin.history_field)
        return str(self.get_query_string({direction: f"{moment.isoformat()},{row.pk}"}))


def _place(query: Mapping[str, str], name: str) -> tuple[datetime, int] | None:
    """Where a page begins; nothing for an address somebody has mangled."""
    moment, _, pk = query.get(name, "").rpartition(",")
    try:
        at = parse_datetime(moment)
    except ValueError:
        return None
    if at is None or timezone.is_naive(at) or not (pk.isascii() and pk.isdigit()):
        return None
    return at, min(int(pk), 2**63 - 1)


def _beyond(field: str, at: datetime, pk: int, *, later: bool) -> Q:
    """Rows later or earlier than one. The first condition is what an index can begin at."""
    sign = "gt" if later else "lt"
    same = Q(**{field: at, f"pk__{sign}": pk})
    return Q(**{f"{field}__{sign}e": at}) & (Q(**{f"{field}__{sign}": at}) | same)


class DaysFilter(RangeDateFilter):  # type: ignore[misc]
    """From one day to another, both included, by the installation's clock."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if first := self._midnight("from"):
            queryset = queryset.filter(**{f"{self.parameter_name}__gte": first})
        if last := self._midnight("to"):
            queryset = queryset.filter(**{f"{self.parameter_name}__lt": last + timedelta(days=1)})
        return queryset

    def _midnight(self, which: str) -> datetime | None:
        text = str(self.used_parameters.get(f"{self.parameter_name}_{which}") or "")
        try:
            day = parse_date(text)
        except ValueError:
            return None
        if day is None or not 1970 <= day.year < 9999:
            return None
        return datetime(day.year, day.month, day.day, tzinfo=timezone.get_current_timezone())


class History:
    """A part of an admin of rows nobody changes. `history_field` is their moment; it needs an
    index with the id, and one more for each filter."""

    history_field: str
    sortable_by: tuple[str, ...] = ()
    show_full_result_count = False
    list_per_page = 50

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[HistoryList]:
        return HistoryList
