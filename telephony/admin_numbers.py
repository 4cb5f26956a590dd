"""Numbers in the admin: shown as people read them, found as people write them."""

from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest

from telephony import shapes


class FindsNumbers:
    """A part of an admin whose search looks at numbers."""

    # Of a list which may be long: an indexed field by whose beginning a number is found, and what
    # stands before the digits in it. Else a number is found by any part of it.
    number_field, before_digits = "", "+"

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        term = shapes.searched(search_term)
        if self.number_field and term.isdigit():
            begins = {f"{self.number_field}__startswith": f"{self.before_digits}{term}"}
            return queryset.filter(**begins), False
        found: tuple[QuerySet[Any], bool] = super().get_search_results(  # type: ignore[misc]
            request, queryset, term
        )
        return found
