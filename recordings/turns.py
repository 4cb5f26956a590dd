"""A call's journal as turns of the bot: what was measured, used and changed for each."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from agents.plan import CallPlan, Stage
from agents.providers import PROVIDERS
from agents.services import published_plan
from recordings.latency import measured
from recordings.models import JournalEntry
from telephony.models import Call

KINDS = ("turn", "usage", "switch")
Data = Mapping[str, Any]


@dataclass(slots=True)
class Turn:
    """One turn of the bot, and what was used since the one before. `start_ms` None: after all."""

    start_ms: int | None = None
    ms: dict[str, int] = field(default_factory=dict)  # by stage
    usage: list[Data] = field(default_factory=list)
    switches: list[Data] = field(default_factory=list)
    providers: dict[str, str] = field(default_factory=dict)  # role: slug


def turns_of(call: Call) -> list[Turn]:
    """In the order of time; last what was used after the bot's last turn, if anything."""
    shifts = JournalEntry.objects.shifts(call.pk)
    entries = JournalEntry.objects.filter(call=call, kind__in=KINDS).order_by("journal", "n")
    journals: dict[str, list[JournalEntry]] = {}
    for entry in entries:
        journals.setdefault(entry.journal, []).append(entry)
    plan = published_plan(digest=call.plan_digest)
    turns: list[Turn] = []
    for journal, told in journals.items():
        turns += _turns(told, plan, shifts.get(journal, 0))
    return sorted(turns, key=lambda turn: (turn.start_ms is None, turn.start_ms or 0))


def _turns(entries: Iterable[JournalEntry], plan: CallPlan | None, shift_ms: int) -> list[Turn]:
    turns = []
    serving = first_of(plan)
    turn = Turn()
    heard: Data = {}
    for entry in entries:
        data: Data = entry.data
        if entry.kind == "usage":
            turn.usage.append(data)
            serving[str(data.get("role", ""))] = str(data.get("provider", ""))[:32]
        elif entry.kind == "switch":
            turn.switches.append(data)
            serving |= moved(data, plan)
        elif data.get("who") != "agent":
            heard = data.get("latency") or {}
        else:
            turn.start_ms = data.get("start_ms", entry.ms) + shift_ms
            turn.ms = measured(data.get("latency") or {}, heard)
            turn.providers = dict(serving)
            turns.append(turn)
            turn, heard = Turn(), {}
    return [*turns, turn] if turn.usage or turn.switches else turns


def first_of(plan: CallPlan | None) -> dict[str, str]:
    return {role: chain[0].provider for role, chain in _chains(plan).items()}


def moved(data: Data, plan: CallPlan | None) -> dict[str, str]:
    """A switch tells the name of where it went; the plan knows which provider that is."""
    role, name = str(data.get("role", "")), str(data.get("to", ""))
    if name in PROVIDERS:
        return {role: name}
    for stage in _chains(plan).get(role, ()):
        known = PROVIDERS.get(stage.provider)
        if name and name in {stage.account, known.label if known else ""}:
            return {role: stage.provider}
    return {}


def _chains(plan: CallPlan | None) -> dict[str, tuple[Stage, ...]]:
    return {"stt": plan.stt, "llm": plan.llm, "tts": plan.tts} if plan else {}
