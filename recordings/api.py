"""What was said in a call, and its sound, for programs. Mounted under the API's calls."""

import logging
from datetime import date as Date
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.http import HttpRequest
from ninja import Router, Schema
from pydantic import Field

from recordings import access_log, services, wiring
from recordings.access_log import What
from recordings.errors import ObjectWrong, StoreRefused, StoreUnavailable
from recordings.lifecycle import RecordingState
from recordings.models import AfterStep, CallInsight, FieldValue, Recording, Transcript
from recordings.reading import recording_words
from recordings.transcripts import segments_of
from telephony.api.calls import find
from telephony.api.errors import Problem
from telephony.api.paging import Id
from telephony.api.security import by, key_of, needs

log = logging.getLogger(__name__)
router = Router(tags=["Calls"])


class Segment(Schema):
    who: str = Field(description="caller or agent")
    text: str
    via: str
    start_ms: int
    end_ms: int
    interrupted: bool
    confidence: float | None = Field(None, description="Of speech to text, if it tells.")
    provider: str = Field("", description="Whose words they are.")


class TranscriptOut(Schema):
    is_complete: bool = Field(description="False: the call is on, or its journal not yet here.")
    language: str
    built_at: datetime | None
    segments: list[Segment]


class CriterionOut(Schema):
    text: str
    weight: int
    score: int | None = Field(description="0 to 100; null: it could not be judged.")
    reason: str


class FieldOut(Schema):
    name: str
    type: str = Field(description="text, number, money, date, boolean, choice, phone or email")
    text: str = Field(description="Of money its currency.")
    number: Decimal | None
    date: Date | None
    boolean: bool | None
    confidence: float
    turn: int | None = Field(description="Of the transcript's segments, from 0.")
    by: str


class InsightOut(Schema):
    is_complete: bool = Field(description="False: some of it is still to be found out.")
    summary: str
    disposition: str
    sentiment: float | None = Field(description="-1 to 1")
    sentiment_label: str = Field(description="positive, neutral, negative or unknown")
    quality: int | None = Field(description="0 to 100")
    criteria: list[CriterionOut]
    resolved: str = Field(description="yes, no or unknown")
    followups: list[str]
    fields: list[FieldOut]
    by: dict[str, str] = Field(description="Of each value: “rules”, or provider and model.")
    settings_version: int
    ready_at: datetime | None


class RecordingOut(Schema):
    state: str
    words: str = Field(description="The state for people.")
    url: str = Field(description="Plays for five minutes; empty unless it is stored.")
    content_type: str
    size: int | None
    duration_ms: int | None
    sha256: str
    stored_at: datetime | None


@router.get(
    "/{call_id}/transcript",
    **needs("recordings:read", TranscriptOut, also=[404]),
    summary="Read what was said in a call",
)
def get_transcript(request: HttpRequest, call_id: Id) -> Any:
    call = find(call_id)
    transcript = Transcript.objects.filter(call=call).first()
    segments = transcript.segments if transcript else segments_of(call)
    access_log.note(
        user=None, who=by(request), what=What.TRANSCRIPT, call=call, how="API", request=request
    )
    return {
        "is_complete": transcript is not None,
        "language": transcript.language if transcript else "",
        "built_at": transcript.built_at if transcript else None,
        "segments": segments,
    }


@router.get(
    "/{call_id}/insight",
    **needs("recordings:read", InsightOut, also=[404]),
    summary="Read what a call was about",
)
def get_insight(request: HttpRequest, call_id: Id) -> Any:
    call = find(call_id)
    insight = CallInsight.objects.filter(call=call).first()
    if insight is None:
        raise Problem(404, f"Nothing is known yet of what call {call_id} was about.")
    return insight_of(insight)


@router.get(
    "/{call_id}/recording",
    **needs("recordings:read", RecordingOut, also=[404, 503]),
    summary="Get a link to a call's recording",
)
def get_recording(request: HttpRequest, call_id: Id) -> Any:
    call = find(call_id)
    recording = Recording.objects.filter(call=call).first()
    if recording is None:
        raise Problem(404, f"Call {call_id} has no recording: it was not to be recorded.")
    names = ("state", "content_type", "size", "duration_ms", "sha256", "stored_at")
    return {name: getattr(recording, name) for name in names} | {
        "words": recording_words(recording, is_open=call.ended_at is None),
        "url": _url(request, recording),
    }


def insight_of(insight: CallInsight) -> dict[str, Any]:
    names = (
        "summary", "disposition", "sentiment", "sentiment_label", "quality", "criteria",
        "resolved", "followups", "by", "settings_version", "ready_at",
    )  # fmt: skip
    open_ = AfterStep.objects.filter(call=insight.call_id, state__in=("wanted", "running", "asked"))
    values = FieldValue.objects.filter(call=insight.call_id).order_by("name")
    return {name: getattr(insight, name) for name in names} | {
        "is_complete": insight.ready_at is not None and not open_.exists(),
        "fields": [
            {
                "name": value.name, "type": value.type, "text": value.value_text,
                "number": value.value_number, "date": value.value_date,
                "boolean": value.value_bool, "confidence": value.confidence,
                "turn": value.turn, "by": value.by,
            }
            for value in values
        ],
    }  # fmt: skip


def _url(request: HttpRequest, recording: Recording) -> str:
    if recording.state != RecordingState.STORED:
        return ""
    try:
        url = services.playable_url(recording=recording, bucket=wiring.bucket())
    except (StoreUnavailable, StoreRefused, ObjectWrong) as trouble:
        raise Problem(503, str(trouble)) from trouble
    access_log.note(
        user=None, who=by(request), what=What.PLAY, call=recording.call_id, how="API",
        request=request,
    )  # fmt: skip
    log.info(
        "recording opened",
        extra={
            "api_key_id": key_of(request).pk,
            "call_id": recording.call_id,
            "recording_id": recording.pk,
        },
    )
    return url
