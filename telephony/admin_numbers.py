"""Numbers in the admin: shown as people read them, found as people write them."""

from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest

from telephony import shapes


class FindsNumbers:
    """A part of an admin whose search looks at numbers."""

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        term = shapes.searched(search_term)
        found: tuple[QuerySet[Any], bool] = super().get_search_results(  # type: ignore[misc]
            request, queryset, term
        )
        return found
