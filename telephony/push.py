"""Makes LiveKit equal to our rows: trunks before rules, by replacing, only what is ours.

One code path for a saved form, the audit, `synclivekit` and an emptied Redis: list, compare field
by field, repair. No transaction is open while we wait for LiveKit; that two pushes do not cross
is the caller's business (`wiring.single_flight`).
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.core.cache import cache
from django.db.models import QuerySet

from telephony import sync, wanted
from telephony.errors import GatewayRefused, GatewayUnavailable
from telephony.gateway import Gateway
from telephony.models import DispatchRule, Synced, SyncState, Trunk
from telephony.sync import InboundTrunkSpec, LiveRule, LiveTrunk, RuleSpec, Spec
from telephony.wanted import Wanted

UNKNOWN = "unknown numbers"  # how we speak of the trunk and rule which no row stands for
NO_RULE = "trunks without a rule"
FOREIGN_KEY, FOREIGN_S = "telephony:foreign", 120  # what the last look saw, kept for the forms
Live = LiveTrunk | LiveRule


@dataclass
class Report:
    """What a look at LiveKit found, in words; `left` is what could not be repaired."""

    differences: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


@dataclass
class _Kind:
    """Trunks or rules: the same work on either."""

    noun: str
    put: Callable[..., str]
    delete: Callable[..., None]
    keys: Callable[[Any], set[Any]]
    live: list[Live]
    rows: Mapping[str, Synced]  # by tag
    wanted: Mapping[str, Wanted]  # by tag; what is for unknown numbers has no row

    def ours(self) -> dict[str, Live]:
        """The live object of each of our tags: the one whose id we know, else the first."""
        found: dict[str, Live] = {}
        for live in self.live:
            tag, row = live.spec.tag, self.rows.get(live.spec.tag)
            known = row is not None and live.remote_id == row.remote_id
            if tag in self.wanted and (tag not in found or known):
                found[tag] = live
        return found

    def called(self, tag: str) -> str:
        return f"{self.noun} “{self.rows.get(tag, NO_RULE if tag == sync.NO_RULE else UNKNOWN)}”"


def push(*, now: datetime, gateway: Gateway, apply: bool = True) -> Report:
    """Compare everything, repair it if `apply`. Raises GatewayUnavailable, then to be repeated.

    1. rules of ours which nobody wants are deleted,
    2. trunks of ours which nobody wants are deleted,
    3. trunks are made or replaced,
    4. rules are made or replaced, naming the trunks' ids of this moment.
    """
    report = Report()
    try:
        trunks, rules = _trunks(gateway), _rules(gateway)
        _warn(trunks, rules, report)
        expected = {tag: "new" for tag, want in trunks.wanted.items() if want.spec}
        rules.wanted = _wanted_rules(rules, trunks, expected | _ids(trunks))
        for kind in (rules, trunks):
            _delete_orphans(kind, report, apply=apply)
        _settle(trunks, now, report, apply=apply)
        if apply:
            rules.wanted = _wanted_rules(rules, trunks, _ids(trunks))
            _delete_orphans(rules, report, apply=apply)
        _settle(rules, now, report, apply=apply)
    except GatewayUnavailable as trouble:
        for model in (Trunk, DispatchRule):
            waiting = model._default_manager.exclude(sync_state=SyncState.SYNCED)
            waiting.update(sync_state=SyncState.PENDING, sync_error=str(trouble))
        raise
    return report


def _trunks(gateway: Gateway) -> _Kind:
    rows = {sync.trunk_tag(t.pk): t for t in Trunk.objects.prefetch_related("numbers")}
    live = gateway.list_trunks()
    unknown = Wanted() if _wildcards(live) else wanted.unknown_trunk(rows.values())
    return _Kind(
        noun="Trunk",
        put=gateway.put_trunk,
        delete=gateway.delete_trunk,
        keys=sync.trunk_keys,
        live=list(live),
        rows=rows,
        wanted={tag: wanted.trunk(row) for tag, row in rows.items()}
        | {sync.UNKNOWN_TRUNK: unknown},
    )


def _rules(gateway: Gateway) -> _Kind:
    rules = DispatchRule.objects.select_related("project__published").prefetch_related("trunks")
    return _Kind(
        noun="Rule",
        put=gateway.put_rule,
        delete=gateway.delete_rule,
        keys=sync.rule_keys,
        live=list(gateway.list_rules()),
        rows={sync.rule_tag(rule.pk): rule for rule in rules},
        wanted={},
    )


def _wildcards(trunks: Iterable[Live]) -> list[Live]:
    """Somebody else's trunks for any number. LiveKit takes one only, theirs or ours."""
    return [
        live
        for live in trunks
        if isinstance(live.spec, InboundTrunkSpec)
        and not live.spec.numbers
        and not sync.is_our_tag(live.spec.tag)
    ]


def _wanted_rules(rules: _Kind, trunks: _Kind, trunk_ids: Mapping[str, str]) -> dict[str, Wanted]:
    rows: Iterable[Any] = rules.rows.values()
    mine = {sync.rule_tag(row.pk): wanted.rule(row, trunk_ids=trunk_ids) for row in rows}
    foreign = [
        live.spec
        for live in rules.live
        if isinstance(live, LiveRule) and not sync.is_our_tag(live.spec.tag)
    ]
    inbound = {
        tag: i
        for tag, i in trunk_ids.items()
        if isinstance(trunks.wanted[tag].spec, InboundTrunkSpec)
    }
    return mine | {
        sync.UNKNOWN_RULE: wanted.unknown_rule(trunk_ids.get(sync.UNKNOWN_TRUNK, "")),
        sync.NO_RULE: wanted.no_rule(mine.values(), inbound, foreign),
    }


def _ids(trunks: _Kind) -> dict[str, str]:
    """LiveKit's id of each trunk it holds and should hold."""
    return {
        tag: live.remote_id
        for tag, live in trunks.ours().items()
        if trunks.wanted[tag].spec is not None
    }


def _delete_orphans(kind: _Kind, report: Report, *, apply: bool) -> None:
    """Objects with our tag which no row wants, or wants once only, or as another kind."""
    chosen = {tag: live.remote_id for tag, live in kind.ours().items()}
    for live in list(kind.live):
        tag = live.spec.tag
        if not sync.is_our_tag(tag):
            continue
        spec = kind.wanted[tag].spec if tag in kind.wanted else None
        if chosen.get(tag) == live.remote_id and spec and type(spec) is type(live.spec):
            continue
        report.differences.append(f"{kind.noun} {live.remote_id} ({tag}): nobody wants it.")
        if apply:
            kind.delete(remote_id=live.remote_id)
            kind.live.remove(live)


def _settle(kind: _Kind, now: datetime, report: Report, *, apply: bool) -> None:
    """Compare what is wanted with what is live; put what differs; note the outcome on the row."""
    todo: dict[str, Spec] = {}
    ours = kind.ours()
    for tag, want in kind.wanted.items():
        row, live = kind.rows.get(tag), ours.get(tag)
        if want.spec is None:
            report.left += [f"{kind.called(tag)}: {want.problem}"] if want.problem else []
        elif live is None:
            report.differences.append(f"{kind.called(tag)}: missing on LiveKit.")
            todo[tag] = want.spec
        elif names := sync.differences(want.spec, live.spec):
            pushed = row and row.applied_fingerprint == want.spec.fingerprint()
            why = "changed on LiveKit" if pushed else "not pushed yet"
            report.differences.append(f"{kind.called(tag)}: {', '.join(names)} {why}.")
            todo[tag] = want.spec
        if apply and tag not in todo:
            remote_id = live.remote_id if live and want.spec else ""
            _note(row, now, spec=want.spec, remote_id=remote_id, error=want.problem)
    if apply:
        _put_all(kind, todo, now, report)


def _put_all(kind: _Kind, todo: dict[str, Spec], now: datetime, report: Report) -> None:
    """Put everything, in whatever order LiveKit accepts: a number may move from one to another.

    Two which wait for each other (numbers swapped) are untied by deleting what stands in the way,
    if it is ours and to be replaced anyway.
    """
    while todo:
        refused = {tag: str(no) for tag, spec in todo.items() if (no := _put(kind, spec, now))}
        if len(refused) == len(todo):
            break
        todo = {tag: todo[tag] for tag in refused}
    else:
        return
    blockers = _blocking_each_other(kind, todo)
    for live in blockers:
        kind.delete(remote_id=live.remote_id)
        kind.live.remove(live)
    if blockers:
        refused = {tag: str(no) for tag, spec in todo.items() if (no := _put(kind, spec, now))}
    for tag, reason in refused.items():
        row = kind.rows.get(tag)
        before = row.remote_id if row else ""  # what it had stays in force
        _note(row, now, remote_id=before, error=reason)
        report.left.append(f"{kind.called(tag)}: {reason}")


def _blocking_each_other(kind: _Kind, todo: Mapping[str, Spec]) -> list[Live]:
    """Live objects of ours, to be replaced anyway, which hold what another one is to get."""
    return [
        live
        for tag, live in kind.ours().items()
        if tag in todo
        and any(kind.keys(live.spec) & kind.keys(s) for other, s in todo.items() if other != tag)
    ]


def _put(kind: _Kind, spec: Any, now: datetime) -> str:
    """Put one object; return why LiveKit refused it, or empty."""
    live = kind.ours().get(spec.tag)
    try:
        remote_id = kind.put(spec, remote_id=live.remote_id if live else "")
    except GatewayRefused as refusal:
        return _in_the_way(kind, spec) or str(refusal)
    if live:
        kind.live.remove(live)
    made: type[Live] = LiveRule if isinstance(spec, RuleSpec) else LiveTrunk
    kind.live.append(made(remote_id=remote_id, spec=spec))
    _note(kind.rows.get(spec.tag), now, spec=spec, remote_id=remote_id)
    return ""


def _in_the_way(kind: _Kind, spec: Spec) -> str:
    """Name the foreign object which already has what we want."""
    for live in kind.live:
        if not sync.is_our_tag(live.spec.tag) and kind.keys(live.spec) & kind.keys(spec):
            return (
                f"{kind.noun} {live.remote_id} on LiveKit, which is not ours, already takes "
                f"these calls. Delete it there (lk sip), then it is tried again."
            )
    return ""


def _note(
    row: Synced | None,
    now: datetime,
    *,
    spec: Spec | None = None,
    remote_id: str = "",
    error: str = "",
) -> None:
    """Write the outcome on the row, if there is one and it is news."""
    if row is None:
        return
    outcome: dict[str, object] = {
        "remote_id": remote_id,
        "sync_state": SyncState.FAILED if error else SyncState.SYNCED,
        "sync_error": error,
        "applied_fingerprint": spec.fingerprint() if spec else "",
    }
    if any(getattr(row, name) != value for name, value in outcome.items()):
        outcome["synced_at"] = row.synced_at if error else now
        rows: QuerySet[Any] = type(row)._default_manager.filter(pk=row.pk)
        rows.update(**outcome)
        for name, value in outcome.items():
            setattr(row, name, value)


def _warn(trunks: _Kind, rules: _Kind, report: Report) -> None:
    foreign = [live for live in rules.live if not sync.is_our_tag(live.spec.tag)]
    others = [live for live in trunks.live if not sync.is_our_tag(live.spec.tag)]
    report.warnings += [
        f"Rule {live.remote_id} on LiveKit is not ours and names no trunk: it answers calls from "
        f"anybody, even from strangers. Delete it there, or give it trunks."
        for live in foreign
        if isinstance(live, LiveRule) and not live.spec.trunk_ids
    ]
    report.warnings += [
        f"Trunk {live.remote_id} on LiveKit is not ours and takes any number, so ours for unknown "
        f"numbers is not made. Delete it there (lk sip), or give it numbers."
        for live in _wildcards(trunks.live)
    ]
    taken = {number: live.remote_id for live in others for number, _ in trunks.keys(live.spec)}
    cache.set(FOREIGN_KEY, {"warnings": report.warnings, "numbers": taken}, FOREIGN_S)


def foreign_warnings() -> list[str]:
    """What the last look found about rules which are not ours."""
    seen: list[str] = _last_look().get("warnings", [])
    return seen


def foreign_owner(number: str) -> str:
    """The foreign trunk which the last look saw holding a number, or empty."""
    return str(_last_look().get("numbers", {}).get(sync.normalised(number), ""))


def _last_look() -> dict[str, Any]:
    try:
        return cache.get(FOREIGN_KEY) or {}
    except Exception:  # a page must not fail because the cache is away; whichever cache it is
        return {}


def mark_pending(rows: QuerySet[Any]) -> None:
    rows.update(sync_state=SyncState.PENDING, sync_error="")
