"""Looks at everything a call needs, and says what is wrong and what to do. Repairs nothing."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import redis
from django.conf import settings
from django.db.models import QuerySet

from agents import presence
from telephony import doctor_edge, dryrun, probes, push, wanted
from telephony.errors import GatewayRefused, GatewayUnavailable
from telephony.findings import Finding, Level
from telephony.findings import fine as _fine
from telephony.findings import problem as _problem
from telephony.findings import warning as _warning
from telephony.gateway import Gateway
from telephony.lifecycle import CallState
from telephony.models import Call, InboundEvent, Number, Trunk
from telephony.routing import Invite, Outcome, Table

MOST = 20  # findings of one kind; the rest is counted
CLOCK_S = 5.0  # tokens are refused when clocks differ by more; headers tell whole seconds
EXPIRES = timedelta(days=14)
QUIET_WORKER = timedelta(seconds=30)  # it asks for plans every few seconds


def examine(*, gateway: Gateway, now: datetime) -> list[Finding]:
    """All findings, those which stop calls first."""
    found = [
        *_livekit(gateway, now), *_sip(), *doctor_edge.findings(), *_worker(now), *_hooks(),
        *_clock(now), *_certificates(now), *_redis(),
    ]  # fmt: skip
    order = [Level.PROBLEM, Level.WARNING, Level.FINE]
    return sorted(found, key=lambda finding: order.index(finding.level))


def refused(limit: int = 10) -> QuerySet[Call]:
    """The last calls nobody talked in, newest first."""
    failed = Call.objects.for_desk().filter(state=CallState.FAILED)
    return failed[:limit]


# --- LiveKit and what it holds --------------------------------------------------------------------


def _livekit(gateway: Gateway, now: datetime) -> Iterator[Finding]:
    try:
        report = push.push(now=now, gateway=gateway, apply=False)
        table = dryrun.table_of(gateway)
    except (GatewayUnavailable, GatewayRefused) as trouble:
        yield _problem("LiveKit", str(trouble))
        return
    yield _fine("LiveKit", f"It answers at {settings.LIVEKIT_URL}.")
    advice = "It is repaired within ten seconds; at once by `manage.py synclivekit --apply`."
    yield from _some([_warning("LiveKit", text, advice) for text in report.differences])
    yield from _some([_problem("LiveKit", text) for text in report.left])
    yield from _some([_warning("LiveKit", text) for text in report.warnings])
    yield from _numbers(table)


def _numbers(table: Table) -> Iterator[Finding]:
    """A dry run for each number, from an address its carrier may call from."""
    rows = Number.objects.filter(trunk__enabled=True, trunk__direction=Trunk.Direction.INBOUND)
    found = list(rows.select_related("trunk").order_by("e164"))
    silent = [problem for row in found if (problem := _unanswered(table, row))]
    if not found:
        yield _warning("Numbers", "Nobody can call: there is no number.", "Add one to a trunk.")
    elif not silent:
        yield _fine("Numbers", f"Calls to all numbers ({len(found)}) would reach an agent.")
    yield from _some(silent)


def _unanswered(table: Table, row: Number) -> Finding | None:
    invite = Invite(called=row.e164, address=_from(row.trunk))
    route = table.route(invite)
    if route.outcome == Outcome.AGENT:
        return None
    told = dryrun.answer(invite, route)
    return _problem(f"Number {row.e164}", told.headline, told.advice)


def _from(trunk: Trunk) -> str:
    """Some address which may call; empty if any may."""
    come = wanted.sources(trunk)
    first = str(come[0]) if come else ""
    return first.partition("/")[0]


def _some(findings: list[Finding]) -> Iterator[Finding]:
    yield from findings[:MOST]
    if len(findings) > MOST:
        first = findings[0]
        more = f"… and {len(findings) - MOST} more of this kind."
        yield Finding(level=first.level, about=first.about.split()[0], text=more)


# --- the parts around it --------------------------------------------------------------------------


def _sip() -> Iterator[Finding]:
    address = settings.SIP_ADDRESS
    try:
        status = probes.sip_status(address)
    except (OSError, ValueError):
        yield _problem(
            "SIP", f"No SIP server answers at {address} (UDP).",
            "Start livekit-sip, or set SIP_ADDRESS to where it listens.",
        )  # fmt: skip
        return
    if status == 200:
        yield _fine("SIP", f"livekit-sip answers at {address}.")
    else:
        yield _warning("SIP", f"The server at {address} answers OPTIONS with {status}.")


def _worker(now: datetime) -> Iterator[Finding]:
    seen = presence.last_seen()
    if seen is None or now - seen > QUIET_WORKER:
        when = f"since {seen:%H:%M:%S}" if seen else "lately"
        yield _problem(
            "Worker", f"No agent worker has asked for its plans {when}: calls are refused.",
            "Start a worker, and compare its CONTROL_URL and WORKER_TOKEN with ours.",
        )  # fmt: skip
    else:
        yield _fine("Worker", "An agent worker keeps its plans up to date.")


def _hooks() -> Iterator[Finding]:
    hooks = InboundEvent.objects.order_by("-received_at")
    if newest := hooks.first():
        yield _fine("Hooks", f"LiveKit's last hook came at {newest.received_at:%Y-%m-%d %H:%M}.")
    elif Call.objects.exists():
        yield _problem(
            "Hooks", "There were calls, but LiveKit has never sent a hook.",
            f"Set webhook.urls of livekit-server to {settings.PUBLIC_URL}/hooks/livekit.",
        )  # fmt: skip
    else:
        yield _warning("Hooks", "No hook has come yet; there was no call either.")


def _clock(now: datetime) -> Iterator[Finding]:
    try:
        offset = probes.clock_offset_s(settings.LIVEKIT_URL, now)
    except OSError:
        return  # that it is away was said
    if offset is not None and abs(offset) > CLOCK_S:
        which = "ahead of" if offset > 0 else "behind"
        yield _problem(
            "Clock", f"LiveKit's clock is {abs(offset):.0f} s {which} ours: it refuses our tokens.",
            "Let both machines take their time from the same NTP servers.",
        )  # fmt: skip
    elif offset is not None:
        yield _fine("Clock", "LiveKit's clock and ours agree.")


def _certificates(now: datetime) -> Iterator[Finding]:
    for url in (settings.LIVEKIT_URL, settings.PUBLIC_URL, settings.S3_PUBLIC_ENDPOINT):
        try:
            until = probes.certificate_until(url)
        except OSError as trouble:
            yield _problem(
                "Certificates", f"{url}: {trouble}.", "Renew it, or correct the address."
            )
            continue
        if until and until - now < EXPIRES:
            yield _warning(
                "Certificates", f"The one of {url} ends on {until:%Y-%m-%d}.", "Renew it."
            )
        elif until:
            yield _fine("Certificates", f"The one of {url} is good until {until:%Y-%m-%d}.")


def _redis() -> Iterator[Finding]:
    try:
        keeps = probes.redis_keeps(settings.REDIS_URL)
    except redis.ResponseError:
        return  # we may not ask: somebody else runs it
    except (redis.RedisError, OSError):
        yield _problem("Redis", "It does not answer.", "Start it, or correct REDIS_URL.")
        return
    if keeps:
        yield _fine("Redis", "It keeps what it holds on disk.")
    else:
        yield _warning(
            "Redis", "It forgets everything when it restarts: trunks, rules and running calls.",
            "Switch on appendonly in its configuration.",
        )  # fmt: skip
