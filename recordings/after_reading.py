"""What the call page and the API show of what was found out about a call."""

from dataclasses import dataclass
from typing import Any

from django.utils.formats import date_format

from recordings.after_wants import CHOSEN, RULES, STEPS
from recordings.models_after import AfterStep, CallInsight, FieldValue, TranscriptVersion
from recordings.switches import name_of
from telephony.models import Call


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """One value, and who found it."""

    name: str
    text: str
    by: str
    tone: str = ""  # good, fair, bad
    rows: tuple[str, ...] = ()
    turn: int | None = None  # of the transcript, from 1


@dataclass(frozen=True, slots=True, kw_only=True)
class InsightShown:
    values: tuple[Shown, ...]
    fields: tuple[Shown, ...]
    criteria: tuple[dict[str, Any], ...]
    troubles: tuple[str, ...]  # steps which failed, and why
    waiting: str  # what it waits for; empty: for nothing
    may_repeat: bool  # there are steps to be done again
    versions: tuple[str, ...]  # of the transcript


def shown(call: Call) -> InsightShown | None:
    """None: the call is on, or nothing is to be found out about it."""
    steps = list(AfterStep.objects.filter(call=call).order_by("position"))
    insight = CallInsight.objects.filter(call=call).first()
    if insight is None and not steps:
        return None
    return InsightShown(
        values=tuple(_values(insight)) if insight else (),
        fields=tuple(_field(v) for v in FieldValue.objects.filter(call=call).order_by("name")),
        criteria=tuple(insight.criteria) if insight else (),
        troubles=tuple(
            f"{STEPS[step.name]}: {step.error}"
            for step in steps
            if step.state == AfterStep.State.FAILED
        ),
        waiting=_waiting(steps),
        may_repeat=True,
        versions=tuple(
            _version(one) for one in TranscriptVersion.objects.filter(call=call).order_by("kind")
        ),
    )


def _waiting(steps: list[AfterStep]) -> str:
    open_ = (AfterStep.State.WANTED, AfterStep.State.RUNNING, AfterStep.State.ASKED)
    step = next((step for step in steps if step.state in open_), None)
    if step is None:
        return ""
    doing = {
        AfterStep.State.ASKED: "a worker is asked",
        AfterStep.State.RUNNING: "it is being done",
    }
    words = doing.get(AfterStep.State(step.state), "it waits its turn")
    trouble = f" {step.error}" if step.error else ""
    return f"{STEPS[step.name]}: {words}.{trouble}"


def by_words(by: str) -> str:
    """“by rules”, or the provider and model as people call them."""
    if not by or by == RULES:
        return "by rules"
    slug, _, model = by.partition(" ")
    return f"by {name_of(slug)} {model}".strip()


_TONES = {"positive": "good", "negative": "bad", "yes": "good", "no": "bad"}


def _values(insight: CallInsight) -> list[Shown]:
    """Those which were wanted, in their order."""
    texts = {
        "summary": insight.summary,
        "disposition": insight.disposition or "None fits.",
        "sentiment": _sentiment(insight),
        "quality": "Not judged." if insight.quality is None else f"{insight.quality} of 100",
        "resolved": insight.get_resolved_display(),
        "followups": "" if insight.followups else "Nothing to do.",
    }
    tones = {
        "sentiment": _TONES.get(insight.sentiment_label, ""),
        "resolved": _TONES.get(insight.resolved, ""),
    }
    return [
        Shown(
            name=STEPS[name], text=texts[name], by=by_words(insight.by[name]),
            tone=tones.get(name, ""),
            rows=tuple(insight.followups) if name == "followups" else (),
        )
        for name in CHOSEN
        if name in insight.by and name in texts and (name != "quality" or insight.criteria)
    ]  # fmt: skip


def _sentiment(insight: CallInsight) -> str:
    words = insight.get_sentiment_label_display()
    return words if insight.sentiment is None else f"{words} ({insight.sentiment:+.2f})"


def _field(value: FieldValue) -> Shown:
    return Shown(
        name=value.name.replace("_", " "), text=value_words(value), by=by_words(value.by),
        turn=None if value.turn is None else value.turn + 1,
    )  # fmt: skip


def value_words(value: FieldValue) -> str:
    if value.value_date is not None:
        return date_format(value.value_date, "Y-m-d")
    if value.value_bool is not None:
        return "yes" if value.value_bool else "no"
    if value.value_number is not None:
        digits = f"{value.value_number:f}"
        number = digits.rstrip("0").rstrip(".") if "." in digits else digits
        return f"{number} {value.value_text}".strip()
    return value.value_text


def _version(one: TranscriptVersion) -> str:
    if one.kind == TranscriptVersion.Kind.RETOLD:
        return f"Transcribed again {by_words(one.provider)}: {len(one.segments)} turns."
    return "A redacted version is what language models are given."
