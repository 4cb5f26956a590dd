"""Writes through the admin's own forms, so that each rule is written once."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, TypeVar

from django.db import transaction
from django.db.models import Model, QuerySet
from django.forms import Field, model_to_dict
from django.http import HttpRequest
from django.utils import timezone
from ninja import Schema, Status

from telephony import idempotency, push, tasks
from telephony.api.errors import Detail, Problem
from telephony.api.security import key_of
from telephony.forms import LinesField
from telephony.later import after_commit
from telephony.models import Synced

S = TypeVar("S", bound=Schema)
CONFLICTS = {"unique", "taken"}  # codes of form errors which mean that something is in the way
LONGEST_KEY = 255


class LiveKitState(Schema):
    """Whether LiveKit holds what was written; a write is pushed a moment after it is answered."""

    state: str
    error: str
    id: str
    synced_at: datetime | None


def livekit_state(row: Synced) -> LiveKitState:
    return LiveKitState(
        state=row.sync_state, error=row.sync_error, id=row.remote_id, synced_at=row.synced_at
    )


def form_data(form: Any, row: Model, given: dict[str, Any]) -> dict[str, Any]:
    """What the form would hold had a person changed only what is given. Lists are typed a line."""
    data = model_to_dict(row, fields=list(form.base_fields)) | given
    return {name: _typed(form.base_fields.get(name), value) for name, value in data.items()}


def _typed(field: Field | None, value: Any) -> Any:
    if isinstance(field, LinesField):
        return "\n".join(value)
    return [getattr(one, "pk", one) for one in value] if isinstance(value, list) else value


def require_valid(form: Any, *, called: Mapping[str, str] | None = None) -> None:
    """Raises the errors of a form as 409 if something is in the way, else 422."""
    if not form.is_valid():
        raise _problem(_errors(form, called or {}))


def require_valid_set(forms: Any, name: str, *, called: Mapping[str, str]) -> None:
    if forms.is_valid():
        return
    errors = [
        (f"{name}.{n}.{field}" if field else f"{name}.{n}", message, code)
        for n, form in enumerate(forms.forms)
        for field, message, code in _errors(form, called)
    ]
    errors += [
        (name, str(one["message"]), str(one["code"]))
        for one in forms.non_form_errors().get_json_data()
    ]
    raise _problem(errors)


def _errors(form: Any, called: Mapping[str, str]) -> list[tuple[str, str, str]]:
    told = form.errors.get_json_data()
    return [
        ("" if name == "__all__" else called.get(name, name), one["message"], one["code"])
        for name, errors in told.items()
        for one in errors
    ]


def _problem(errors: list[tuple[str, str, str]]) -> Problem:
    details = [Detail(field=name, message=message) for name, message, _ in errors]
    words = " ".join(dict.fromkeys(message for _, message, _ in errors))
    conflict = bool(errors) and all(code in CONFLICTS for _, _, code in errors)
    return Problem(409 if conflict else 422, words or "It is not valid.", details=details)


def push_later(*rows: QuerySet[Any]) -> None:
    """As the admin does: the rows wait, and LiveKit is told after the commit."""
    for each in rows:
        push.mark_pending(each)
    after_commit(tasks.push_now.delay)


def creating(request: HttpRequest, make: Callable[[], S]) -> Any:
    """Answer 201 with what `make` made; with an Idempotency-Key, make it once (for 24 hours)."""
    key = request.headers.get("Idempotency-Key", "")
    if not key:
        with transaction.atomic():
            return Status(201, make())
    if len(key) > LONGEST_KEY or not key.isprintable():
        raise Problem(422, f"The Idempotency-Key has more than {LONGEST_KEY} letters, or odd ones.")
    print_ = idempotency.fingerprint(
        (request.method or "").encode(), request.path.encode(), request.body
    )
    try:
        answer = idempotency.once(
            api_key=key_of(request),
            key=key,
            print_=print_,
            now=timezone.now(),
            do=lambda: make().model_dump(mode="json"),
        )
    except idempotency.OtherRequest as reason:
        raise Problem(
            409,
            "This Idempotency-Key was used for another request within a day. Take a new one.",
            code="idempotency_key_reused",
        ) from reason
    request.is_repeated = answer.is_repeated  # type: ignore[attr-defined]  # for the headers
    return Status(201, answer.data)
