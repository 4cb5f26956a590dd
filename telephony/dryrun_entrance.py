"""What a caller of one number hears now by its policy, in a supervisor's words."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from agents.entrance import CAUSES, Decision
from agents.models import PublishedPlan
from telephony import entrance, shapes
from telephony.models import Entrance


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """Of a call which reaches us."""

    headline: str = ""  # empty: whoever the dispatch rule names answers
    step: str = ""


def caller_in(typed: str) -> str:
    """E.164; a word, as “anonymous”, is a caller who shows no number. Raises Misshapen."""
    typed = typed.strip()
    return shapes.e164(typed) if any(c.isdigit() for c in typed) else typed


def heard(*, called: str, caller: str, now: datetime) -> Heard:
    """`caller` as `caller_in` gives it; empty: one whom no caller rule names."""
    row = Entrance.objects.filter(number__e164=called).select_related("schedule").first()
    decision = entrance.decision_for(called=called, caller=caller, now=now)
    zone = row.schedule.timezone if row and row.schedule else "UTC"
    if decision.action != "answer":
        why = _barred(caller) if decision.reason == "blocked" else _closed(decision, zone, now)
        return Heard(headline=f"{why}: {_told(decision)}", step="The number's policy decides.")
    until = _moment(decision, zone, now)
    step = f"By its opening hours it is open until {until}." if until else ""
    return Heard(headline=_own_project(decision), step=step)


def _closed(decision: Decision, zone: str, now: datetime) -> str:
    until = _moment(decision, zone, now)
    return f"It is closed until {until}" if until else "It is closed"


def _barred(caller: str) -> str:
    return "This caller is not let in" if caller else "Callers nobody listed are not let in"


def _told(decision: Decision) -> str:
    words = f"“{decision.words}”"
    match decision.action:
        case "message":
            return f"the caller hears {words}, and the call ends."
        case "voicemail":
            return f"the caller hears {words}, and may leave a message."
        case "forward":
            first = f"hears {words} and " if decision.words else ""
            return f"the caller {first}is sent to {shapes.readable(decision.number)}."
        case _:
            why = CAUSES.get(decision.cause, "Call rejected")
            return f"the call is refused without an answer (486, {why})."


def _own_project(decision: Decision) -> str:
    plan = PublishedPlan.objects.filter(digest=decision.plan).select_related("project").first()
    if not decision.plan or plan is None:
        return ""
    return f"Project “{plan.project.name}” answers, as set at the number (version {plan.version})."


def _moment(decision: Decision, zone: str, now: datetime) -> str:
    """As “Monday 09:00 (Europe/Berlin)”; with its date if that is a week away."""
    if not decision.valid_until:
        return ""
    try:
        there = datetime.fromtimestamp(decision.valid_until, UTC).astimezone(ZoneInfo(zone))
    except (KeyError, ValueError, OSError):
        return ""
    day = "%A" if there - now < timedelta(days=6) else "%A %d %B %Y"
    return f"{there.strftime(f'{day} %H:%M')} ({zone})"
