"""Who heard, thought and spoke each turn of a call, by its journal."""

from collections.abc import Iterable
from typing import Any

from agents.plan import CallPlan
from agents.services import published_plan
from recordings.models import JournalEntry
from recordings.turns import KINDS, first_of, moved
from telephony.models import Call

Providers = dict[str, str]  # role: slug
# what the bot says without asking a model
UNTHOUGHT = frozenset({"greeting", "prompt", "cache", "filler"})


def providers_of(call: Call) -> dict[int, Providers]:
    """By the primary key of the turn's entry."""
    entries = JournalEntry.objects.filter(call=call, kind__in=KINDS).order_by("journal", "n")
    journals: dict[str, list[JournalEntry]] = {}
    for entry in entries:
        journals.setdefault(entry.journal, []).append(entry)
    plan = published_plan(digest=call.plan_digest)
    found: dict[int, Providers] = {}
    for told in journals.values():
        found |= _providers(told, plan)
    return found


def by_moment(call: Call) -> dict[tuple[str, int], str]:
    """(who, start_ms) of a turn: its `main_one`, for transcripts which do not say it."""
    shifts, found = JournalEntry.objects.shifts(call.pk), providers_of(call)
    turns = JournalEntry.objects.filter(pk__in=found).values_list("pk", "journal", "ms", "data")
    return {
        (data.get("who", ""), data.get("start_ms", ms) + shifts.get(journal, 0)): main_one(
            found[pk]
        )
        for pk, journal, ms, data in turns
    }


def _providers(entries: Iterable[JournalEntry], plan: CallPlan | None) -> dict[int, Providers]:
    serving, found = first_of(plan), dict[int, Providers]()
    for entry in entries:
        data: dict[str, Any] = entry.data
        if entry.kind == "usage":
            serving[str(data.get("role", ""))] = str(data.get("provider", ""))[:32]
        elif entry.kind == "switch":
            serving |= moved(data, plan)
        else:
            roles = _roles(data)
            found[entry.pk] = {role: serving[role] for role in roles if serving.get(role)}
    return found


def _roles(turn: dict[str, Any]) -> tuple[str, ...]:
    if turn.get("who") != "agent":
        return ("stt",)
    return ("tts",) if turn.get("via") in UNTHOUGHT else ("llm", "tts")


def main_one(providers: Providers) -> str:
    """Whose words they are."""
    return next((providers[role] for role in ("stt", "llm", "tts") if role in providers), "")
