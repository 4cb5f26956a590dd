"""Search in what was said, for programs. The same door as the page: recordings/search.py."""

from datetime import datetime
from typing import Annotated, Any, Literal

from django.http import HttpRequest
from ninja import Query, Router, Schema
from pydantic import AwareDatetime, Field

from recordings import search
from recordings.search import Hit
from telephony.api.calls import CallOut
from telephony.api.errors import Detail, Problem
from telephony.api.paging import Id, Page, Paging
from telephony.api.security import key_of, needs
from telephony.outgoing import describe

router = Router(tags=["Search"])
Plain = Annotated[str, Field(max_length=64, pattern=r"^[^\x00-\x1f]*$")]
Seconds = Annotated[int, Field(ge=0, le=2**31 - 1)]


class SegmentOut(Schema):
    text: str
    is_match: bool


class TurnFound(Schema):
    call: CallOut
    n: int = Field(description="Place among the transcript's segments, from 0.")
    who: str = Field(description="caller or agent")
    text: str
    segments: list[SegmentOut] = Field(description="The part to show, matches marked. Plain text.")
    start_ms: int
    end_ms: int
    via: str
    interrupted: bool
    confidence: float | None
    provider: str = Field(description="Who wrote it down (caller) or thought of it (agent).")


class TurnsFound(Page):
    items: list[TurnFound]
    searched_back_to: datetime | None = Field(
        description="Set: older calls were not looked through yet; go on with next_cursor."
    )


class Filters(Paging):
    q: str = Field(
        max_length=500,
        description='All words; `"a phrase"`; `begin*`; `-not this`. Nothing of it is an error.',
    )
    project_id: Id | None = None
    number: Plain = Field("", description="Caller's or called, its last digits are enough.")
    since: AwareDatetime | None = Field(None, description="Of the call's begin; included.")
    until: AwareDatetime | None = Field(None, description="Excluded.")
    longer_s: Seconds | None = None
    shorter_s: Seconds | None = None
    who: Literal["caller", "agent"] | None = None
    provider: Plain = Field("", description="Slug of one which served in the call.")
    fault: Literal["any", "error", "switch"] | None = None
    end: Plain = Field("", description="The call's end_reason.")
    disposition: Plain = ""
    sentiment: Plain = ""


@router.get(
    "/turns",
    **needs("recordings:read", TurnsFound),
    summary="Search in what was said, newest calls first",
)
def search_turns(request: HttpRequest, filters: Query[Filters]) -> Any:
    chosen = {
        name: value
        for name, value in filters.dict(exclude={"q", "limit", "cursor", "project_id"}).items()
        if value not in (None, "")
    } | ({"project": filters.project_id} if filters.project_id else {})
    try:
        page = search.find(
            filters.q, chosen, key_of(request), after=filters.cursor, limit=filters.limit
        )
    except search.BadPlace as reason:
        raise _unusable(
            "cursor", "The cursor is none of ours.", "Take it from next_cursor as it is."
        ) from reason
    return {
        "items": [_shown(hit) for hit in page.hits],
        "next_cursor": page.next,
        "searched_back_to": page.back_to,
    }


def _shown(hit: Hit) -> dict[str, Any]:
    names = ("n", "who", "text", "start_ms", "end_ms", "via", "interrupted", "confidence")
    return {name: getattr(hit.turn, name) for name in (*names, "provider")} | {
        "call": describe(hit.call),
        "segments": [{"text": one.text, "is_match": one.is_match} for one in hit.segments],
    }


def _unusable(field: str, message: str, step: str) -> Problem:
    return Problem(422, message, details=[Detail(field=field, message=step)])
