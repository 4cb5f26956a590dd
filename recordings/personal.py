"""Where personal data lies: this table, and whatever hangs on a call.

A row which leads to a call by foreign keys belongs to it: it is deleted with what it is a part of,
exported, and erased, without being named here. Every other column with text has to be named; a
test fails for one which is not. So whoever adds a table decides what becomes of it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Any

from django.apps import apps
from django.db import models

from recordings.models_keeping import Kind
from telephony.models import Call

Model = type[models.Model]


class How(StrEnum):
    CALL = "goes with its call"
    EMPTIED = "stays with its call, without its words"
    FIGURES = "stays with its call: nothing in it is personal"
    NUMBER = "found by the number, see recordings.traces"
    SCRUBBED = "the number is taken out of its words"
    OURS = "not of a caller"


# label of a model: what becomes of it when a caller is erased, and why
PLACES: dict[str, tuple[How, str]] = {
    "telephony.call": (How.NUMBER, "keeps its figures; numbers, room and SIP ids go"),
    "telephony.outboundcall": (How.NUMBER, "keeps its outcome; number and variables go"),
    "telephony.callerrule": (How.NUMBER, "a rule for exactly this number goes"),
    "telephony.donotcall": (How.NUMBER, "becomes a keyed hash, so that it is still not called"),
    "telephony.inboundevent": (How.NUMBER, "the payload goes"),
    "telephony.idempotentanswer": (How.NUMBER, "opened, and deleted if the number is in it"),
    "telephony.legalhold": (How.NUMBER, "of a lifted one the number goes; one in force refuses"),
    "sessions.session": (How.NUMBER, "opened, and deleted if the number is in it"),
    "recordings.callerrequest": (How.NUMBER, "sealed while it is needed, then a keyed hash"),
    "recordings.deleteagain": (How.NUMBER, "sealed, until the object is gone for good"),
    "recordings.transcript": (How.EMPTIED, "an empty one says that there is nothing to build"),
    "recordings.callcost": (How.FIGURES, "money and counters"),
    "recordings.turnfigure": (How.FIGURES, "milliseconds and money"),
    "recordings.countedcall": (How.FIGURES, "without it the call would be counted again"),
    "recordings.forgotten": (How.FIGURES, "when what was deleted"),
    "recordings.putoff": (How.FIGURES, "work of the retention"),
    "recordings.export": (How.NUMBER, "files with a call of his are withdrawn, see exports"),
    "admin.logentry": (How.SCRUBBED, "rows are named there by their numbers"),
    "telephony.batch": (How.SCRUBBED, "its report quotes lines of the file"),
    "agents.providertrial": (How.OURS, "words a supervisor types to try a provider"),
    "agents.project": (How.OURS, "configuration"),
    "agents.provideraccount": (How.OURS, "configuration"),
    "agents.chainmember": (How.OURS, "configuration"),
    "agents.faqentry": (How.OURS, "configuration; never write a caller's number into one"),
    "agents.publishedplan": (How.OURS, "configuration, frozen"),
    "agents.digitpurpose": (How.OURS, "configuration"),
    "agents.menupage": (How.OURS, "configuration"),
    "agents.menuoption": (How.OURS, "configuration"),
    "agents.priceentry": (How.OURS, "configuration"),
    "telephony.trunk": (How.OURS, "our lines and our numbers"),
    "telephony.number": (How.OURS, "our numbers"),
    "telephony.dispatchrule": (How.OURS, "configuration"),
    "telephony.schedule": (How.OURS, "configuration"),
    "telephony.destination": (How.OURS, "our people"),
    "telephony.entrance": (How.OURS, "configuration"),
    "telephony.destinationrule": (How.OURS, "prefixes, not numbers"),
    "telephony.outboundprofile": (How.OURS, "configuration"),
    "telephony.trunkuse": (How.OURS, "counters"),
    "telephony.carrierhook": (How.OURS, "configuration"),
    "telephony.apikey": (How.OURS, "programs of ours"),
    "telephony.subscription": (How.OURS, "programs of ours"),
    "telephony.erasedname": (How.OURS, "keyed hashes"),
    "telephony.suppressednumber": (How.OURS, "keyed hashes"),
    "telephony.ingress": (How.OURS, "configuration"),
    "recordings.counter": (How.OURS, "counters"),
    "recordings.aftercall": (How.OURS, "configuration"),
    "recordings.disposition": (How.OURS, "configuration"),
    "recordings.extractedfield": (How.OURS, "configuration"),
    "recordings.qualitycriterion": (How.OURS, "configuration"),
    "recordings.redactionrules": (How.OURS, "configuration"),
    "recordings.recordingprofile": (How.OURS, "configuration"),
    "recordings.store": (How.OURS, "configuration"),
    "recordings.storecheck": (How.OURS, "days and counters"),
    "recordings.tag": (How.OURS, "words of our own people; never a caller's number"),
    "recordings.accesslog": (How.OURS, "what our own people did; calls by their id"),
    "auth.user": (How.OURS, "our own people"),
    "auth.group": (How.OURS, "our own people"),
    "auth.permission": (How.OURS, "Django's own"),
    "contenttypes.contenttype": (How.OURS, "Django's own"),
}

# with which kind a part of a call is deleted by the retention; others with the transcript
_KINDS = {
    "telephony.leg": Kind.NUMBERS,
    "telephony.carriercall": Kind.NUMBERS,
    "telephony.outgoingevent": Kind.NUMBERS,
    "telephony.delivery": Kind.NUMBERS,
    "telephony.transferorder": Kind.NUMBERS,
    "recordings.analysis": Kind.FIELDS,
    "recordings.callinsight": Kind.FIELDS,
    "recordings.fieldvalue": Kind.FIELDS,
}
OBJECT = "_key"  # a part's text column with this ending is the key of an object in the store


@dataclass(frozen=True, slots=True)
class Part:
    """A table whose rows belong to calls; `path` leads to the call."""

    model: Model
    path: str
    kind: Kind
    how: How

    def rows(self, calls: list[int]) -> "models.QuerySet[Any]":
        return self.model._base_manager.filter(**{f"{self.path}__in": calls})

    @property
    def label(self) -> str:
        return str(self.model._meta.label_lower)

    @property
    def keys(self) -> list[str]:
        return _keys(self.model)


@cache
def parts() -> tuple[Part, ...]:
    """All tables which lead to a call; what hangs on others first, so that it is deleted first."""
    found: dict[Model, str] = {}
    waiting: list[tuple[Model, str]] = [(Call, "")]
    while waiting:
        model, path = waiting.pop(0)
        for relation in _relations(model):
            below: Any = relation.related_model
            if below in found or below is Call or below._meta.proxy:
                continue
            found[below] = f"{relation.field.name}__{path}".removesuffix("__")
            if how(below) is How.CALL:
                waiting.append((below, found[below]))
    rows = [Part(model, path, _kind(model, path), how(model)) for model, path in found.items()]
    return tuple(sorted(rows, key=lambda part: -part.path.count("__")))


def _relations(model: Model) -> Iterator[Any]:
    """Foreign keys which lead here, also those without a name on this side."""
    for one in model._meta.get_fields(include_hidden=True):
        if one.auto_created and not one.concrete and (one.one_to_many or one.one_to_one):
            yield one


def how(model: Model) -> How:
    return PLACES.get(model._meta.label_lower, (How.CALL, ""))[0]


def of_kind(kind: Kind) -> list[Part]:
    return [part for part in parts() if part.kind == kind and part.how in _DELETED]


_DELETED = (How.CALL, How.EMPTIED)


def _kind(model: Model, path: str) -> Kind:
    if known := _KINDS.get(model._meta.label_lower):
        return known
    is_sound = bool(_keys(model)) or path.startswith("recording__")
    return Kind.AUDIO if is_sound else Kind.TRANSCRIPT


def _keys(model: Model) -> list[str]:
    texts = [one for one in model._meta.concrete_fields if isinstance(one, models.CharField)]
    return [one.name for one in texts if one.name.endswith(OBJECT)]


def words_of(model: Model) -> list[Any]:
    """Its columns which may hold what somebody wrote or said."""
    kinds = (models.CharField, models.TextField, models.JSONField, models.BinaryField)
    columns: list[Any] = list(model._meta.local_concrete_fields)
    return [one for one in columns if isinstance(one, kinds) and not one.choices]


def unnamed() -> Iterator[str]:
    """Tables with words which are neither a part of a call nor named above."""
    ours = {part.model for part in parts()} | {Call}
    for model in apps.get_models(include_auto_created=True):
        label = model._meta.label_lower
        if model not in ours and label not in PLACES and words_of(model):
            yield label
