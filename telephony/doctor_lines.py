"""The doctor on lines: numbers, one trunk alone, carriers we call, and where sound goes."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from ipaddress import ip_network

from django.conf import settings

from telephony import dryrun, probes, testline, wanted
from telephony.caller import selftest
from telephony.carriers_known import CARRIERS
from telephony.findings import MOST, Finding, fine, problem, some, warning
from telephony.models import DispatchRule, Number, SyncState, Trunk
from telephony.push import Report
from telephony.routing import Invite, Outcome, Table

IN, OUT = Trunk.Direction.INBOUND, Trunk.Direction.OUTBOUND


def numbers(table: Table) -> Iterator[Finding]:
    """A dry run for each number, from an address its carrier may call from."""
    rows = Number.objects.filter(trunk__enabled=True, trunk__direction=IN)
    found = list(rows.select_related("trunk").order_by("e164"))
    silent = [trouble for row in found if (trouble := _unanswered(table, row))]
    if not found:
        yield warning(
            "Numbers", "Nobody can call: there is no number.",
            "Use Trunks → Connect a number.",
        )  # fmt: skip
    elif not silent:
        yield fine("Numbers", f"Calls to all numbers ({len(found)}) would reach an agent.")
    yield from some(silent)


def _unanswered(table: Table, row: Number) -> Finding | None:
    invite = Invite(called=row.e164, address=_from(row.trunk))
    route = table.route(invite)
    if route.outcome == Outcome.AGENT:
        return None
    told = dryrun.answer(invite, route)
    return problem(f"Number {row.e164}", told.headline, told.advice)


def _from(trunk: Trunk) -> str:
    """Some address which may call; empty if any may."""
    come = wanted.sources(trunk)
    first = str(come[0]) if come else ""
    return first.partition("/")[0]


# --- one trunk ------------------------------------------------------------------------------------


def of_trunk(trunk: Trunk, number: Number | None, report: Report, table: Table) -> list[Finding]:
    """Everything about one trunk, or about one of its numbers."""
    found = [*_row(trunk), *_drift(trunk, report)]
    if trunk.direction == OUT:
        return [*found, *outbound([trunk])]
    rows = [number] if number else list(trunk.numbers.order_by("e164"))
    for row in rows:
        row.trunk = trunk
    silent = {row.e164: trouble for row in rows if (trouble := _unanswered(table, row))}
    found += [
        silent.get(row.e164)
        or fine(
            f"Number {row.e164}",
            dryrun.answer(i := Invite(called=row.e164, address=_from(trunk)), table.route(i))
            .headline,
        )
        for row in rows[:MOST]
    ]  # fmt: skip
    return [*found, *_addresses(trunk)]


def _row(trunk: Trunk) -> Iterator[Finding]:
    about = f"Trunk “{trunk.name}”"
    if not trunk.enabled:
        yield warning(about, "It is switched off.", "Switch it on, if calls shall come.")
    elif trouble := wanted.trunk(trunk).problem:
        yield problem(about, trouble)
    elif trunk.sync_state == SyncState.FAILED:
        yield problem(about, trunk.sync_error or "It is not on LiveKit.")
    elif trunk.sync_state == SyncState.PENDING:
        yield warning(about, "It is not pushed to LiveKit yet.", "It is tried every ten seconds.")
    else:
        yield fine(about, "It is on LiveKit.")


def _drift(trunk: Trunk, report: Report) -> Iterator[Finding]:
    names = [f"Trunk “{trunk.name}”:"]
    names += [f"Rule “{rule.name}”:" for rule in DispatchRule.objects.filter(trunks=trunk)]
    for line in (*report.differences, *report.left):
        if line.startswith(tuple(names)):
            yield warning("LiveKit", line, "It is repaired within ten seconds, if it can be.")


def _addresses(trunk: Trunk) -> Iterator[Finding]:
    carrier = CARRIERS.get(trunk.template)
    if not carrier or not carrier.needs_all or not trunk.allowed_addresses:
        return
    allowed = [ip_network(address) for address in trunk.allowed_addresses]
    missing = [
        network for network in carrier.addresses()
        if not any(ip_network(network).subnet_of(net) for net in allowed)  # type: ignore[arg-type]
    ]  # fmt: skip
    if missing:
        yield warning(
            "Addresses", f"{carrier.label} may also call from {', '.join(missing)}.",
            f"Add them to the trunk, unless its page says otherwise by now ({carrier.source}, "
            f"read on {carrier.checked}).{_unsure(carrier.to_check(), missing)}",
        )  # fmt: skip


def _unsure(to_check: list[str], missing: list[str]) -> str:
    doubtful = [network for network in missing if network in to_check]
    return f" Check these there first: {', '.join(doubtful)}." if doubtful else ""


# --- carriers we call -----------------------------------------------------------------------------


def outbound(rows: list[Trunk] | None = None) -> Iterator[Finding]:
    """Whether their hosts exist and answer. Asked at the same time: each may take seconds."""
    if rows is None:
        rows = list(Trunk.objects.filter(enabled=True, direction=OUT).order_by("name")[:MOST])
    rows = [row for row in rows if row.address]
    if rows:
        with ThreadPoolExecutor(max_workers=len(rows)) as pool:
            asked = pool.map(lambda row: probes.carrier(row.address, row.transport), rows)
            yield from [_carrier(row, told) for row, told in zip(rows, asked, strict=True)]


def _carrier(row: Trunk, told: probes.Reach) -> Finding:
    about = f"Trunk “{row.name}”"
    match told:
        case probes.Reach.ANSWERS:
            return fine(about, f"{row.address} answers.")
        case probes.Reach.UNKNOWN_HOST:
            return problem(
                about, f"{row.address} cannot be found.", "Correct the trunk's address, or DNS."
            )
        case _:
            return warning(
                about, f"{row.address} does not answer OPTIONS or a connection.",
                "Some carriers never do. If calls fail: does a firewall let us out, and does the "
                "carrier know our address?",
            )  # fmt: skip


# --- sound, and where carriers are told to call ---------------------------------------------------


def sound() -> Iterator[Finding]:
    """By the last test call."""
    last = testline.last()
    if last.get("state") != "done":
        return
    at = datetime.fromisoformat(last["at"])
    when = f"Test call of {at:%Y-%m-%d %H:%M} UTC"
    if trouble := selftest.media_trouble(settings.SIP_PUBLIC_ADDRESS, last.get("media", "")):
        yield problem(
            "Media", trouble,
            "Set nat_1_to_1_ip or use_external_ip in livekit-sip's configuration, then test again.",
        )  # fmt: skip
    if last["ok"]:
        yield fine("Media", f"{when}: sound went both ways.")
    else:
        yield problem("Media", f"{when}: {last['headline']}", last["advice"])


def told_address() -> Iterator[Finding]:
    """A carrier from the Internet cannot call an address of this machine."""
    networks = Trunk.objects.filter(enabled=True, direction=IN).values_list("allowed_addresses")
    is_public = any(_is_global(net) for (addresses,) in networks for net in addresses)
    told = settings.SIP_PUBLIC_ADDRESS
    if is_public and not probes.is_public(told):
        yield warning(
            "SIP", f"Carriers are told to call {told}, which they cannot reach.",
            "Set SIP_PUBLIC_ADDRESS to where they reach livekit-sip, unless a PBX stands between.",
        )  # fmt: skip


def _is_global(network: str) -> bool:
    try:
        return ip_network(network, strict=False).is_global
    except ValueError:
        return False
