"""Pages by (time, id): stable while rows come in, and never a count."""

import base64
import binascii
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, TypeVar

from django.db.models import Model, Q, QuerySet
from ninja import Schema
from pydantic import Field

from telephony.api.errors import Detail, Problem

M = TypeVar("M", bound=Model)
Limit = Annotated[int, Field(ge=1, le=200)]
Cursor = Annotated[
    str, Field(max_length=200, description="`next_cursor` of the page before; empty: the first.")
]
Id = Annotated[int, Field(ge=1, le=2**63 - 1)]


class Paging(Schema):
    limit: Limit = 50
    cursor: Cursor = ""


class Page(Schema):
    next_cursor: str = Field(description="Empty: this is the last page.")


def page(rows: QuerySet[M], paging: Paging, *, by: str = "") -> tuple[list[M], str]:
    """Newest first: by the time `by` and the id, or by the id alone. Returns rows and cursor."""
    limit = paging.limit
    if paging.cursor:
        rows = rows.filter(_after(paging.cursor, by))
    order = [f"-{by}", "-pk"] if by else ["-pk"]
    found = list(rows.order_by(*order)[: limit + 1])
    if len(found) <= limit:
        return found, ""
    last: Any = found[limit - 1]
    return found[:limit], _written(getattr(last, by) if by else None, last.pk)


def listed(rows: QuerySet[M], show: Callable[[M], Any], paging: Paging) -> dict[str, Any]:
    found, following = page(rows, paging)
    return {"items": [show(row) for row in found], "next_cursor": following}


def _written(moment: datetime | None, pk: int) -> str:
    text = f"{moment.isoformat() if moment else ''}|{pk}"
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _after(cursor: str, by: str) -> Q:
    try:
        text = base64.urlsafe_b64decode(cursor.encode() + b"=" * (-len(cursor) % 4)).decode()
        moment, _, last = text.partition("|")
        pk = int(last)
        if not by:
            return Q(pk__lt=pk)
        at = datetime.fromisoformat(moment)
        if at.tzinfo is None or not 0 <= pk < 2**63:
            raise ValueError(text)
    except (ValueError, binascii.Error) as reason:
        raise Problem(
            422,
            "The cursor is none of ours. Begin again without one.",
            details=[Detail(field="cursor", message="Take it from next_cursor as it is.")],
        ) from reason
    # the first half is what an index can be asked for
    return Q(**{f"{by}__lte": at}) & (Q(**{f"{by}__lt": at}) | Q(pk__lt=pk))
