"""Looks at everything a call needs, and says what is wrong and what to do. Repairs nothing."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import redis
from django.conf import settings
from django.db.models import Q, QuerySet
from django.utils import timezone

from agents import presence
from telephony import (
    carrier_health,
    carrier_hooks,
    doctor_edge,
    doctor_lines,
    dryrun,
    probes,
    push,
    siplog,
)
from telephony.dryrun import SAME_END
from telephony.errors import GatewayRefused, GatewayUnavailable
from telephony.findings import MOST as MOST
from telephony.findings import Finding as Finding
from telephony.findings import Level as Level
from telephony.findings import fine, problem, some, warning
from telephony.gateway import Gateway
from telephony.lifecycle import CallState
from telephony.models import Call, InboundEvent, Number, Trunk
from telephony.routing import Table
from telephony.seen import once
from telephony.siplog import Refusal

CLOCK_S = 5.0  # tokens are refused when clocks differ by more; headers tell whole seconds
EXPIRES = timedelta(days=14)
WEEK = timedelta(days=7)
QUIET_WORKER = timedelta(seconds=30)  # it asks for plans every few seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """One trunk alone, or one of its numbers."""

    trunk: Trunk
    number: Number | None = None

    def numbers(self) -> list[str]:
        rows = self.trunk.numbers.order_by("e164").values_list("e164", flat=True)
        return [self.number.e164] if self.number else list(rows[:MOST])


def examine(*, gateway: Gateway, now: datetime, scope: Scope | None = None) -> list[Finding]:
    """All findings, those which stop calls first."""
    seen = once(gateway)
    if scope:
        found = [*_line(scope, seen, now), *_sip(), *doctor_lines.sound(), *_worker(now)]
    else:
        found = [
            *_livekit(seen, now), *_sip(), *doctor_edge.findings(), *doctor_lines.told_address(),
            *doctor_lines.sound(), *doctor_lines.outbound(), *_worker(now), *_hooks(),
            *_carriers(now), *_clock(now), *_certificates(now), *_redis(),
        ]  # fmt: skip
    order = [Level.PROBLEM, Level.WARNING, Level.FINE]
    return sorted(found, key=lambda finding: order.index(finding.level))


def refused(limit: int = 10, scope: Scope | None = None) -> QuerySet[Call]:
    """The last calls nobody talked in, newest first; of one line those of the last week."""
    failed = Call.objects.for_desk().filter(state=CallState.FAILED)
    if scope:
        mine = Q(number=scope.number) if scope.number else Q(trunk=scope.trunk)
        for number in scope.numbers():
            mine |= Q(called__endswith=number[-SAME_END:])
        failed = failed.filter(mine, started_at__gte=timezone.now() - WEEK)
    return failed[:limit]


def refused_unseen(limit: int = 10, scope: Scope | None = None) -> list[Refusal]:
    """What livekit-sip refused without telling LiveKit, if its log is at hand; newest first."""
    try:
        found = siplog.read(Path(settings.SIP_LOG)) if settings.SIP_LOG else []
    except OSError:
        return []
    if scope:
        ends = tuple(number[-SAME_END:] for number in scope.numbers())
        found = [refusal for refusal in found if refusal.called.endswith(ends)]
    return found[:limit]


# --- LiveKit and what it holds --------------------------------------------------------------------


def _look(gateway: Gateway, now: datetime) -> tuple[push.Report, Table] | Finding:
    try:
        report = push.push(now=now, gateway=gateway, apply=False)
        return report, dryrun.table_of(gateway)
    except (GatewayUnavailable, GatewayRefused) as trouble:
        return problem("LiveKit", str(trouble))


def _livekit(gateway: Gateway, now: datetime) -> Iterator[Finding]:
    looked = _look(gateway, now)
    if isinstance(looked, Finding):
        yield looked
        return
    report, table = looked
    yield fine("LiveKit", f"It answers at {settings.LIVEKIT_URL}.")
    advice = "It is repaired within ten seconds; at once by `manage.py synclivekit --apply`."
    yield from some([warning("LiveKit", text, advice) for text in report.differences])
    yield from some([problem("LiveKit", text) for text in report.left])
    yield from some([warning("LiveKit", text) for text in report.warnings])
    yield from doctor_lines.numbers(table)


def _line(scope: Scope, gateway: Gateway, now: datetime) -> list[Finding]:
    looked = _look(gateway, now)
    if isinstance(looked, Finding):
        return [looked]
    return doctor_lines.of_trunk(scope.trunk, scope.number, *looked)


# --- the parts around it --------------------------------------------------------------------------


def _sip() -> Iterator[Finding]:
    address = settings.SIP_ADDRESS
    try:
        status = probes.sip_status(address)
    except (OSError, ValueError):
        yield problem(
            "SIP", f"No SIP server answers at {address} (UDP).",
            "Start livekit-sip, or set SIP_ADDRESS to where it listens.",
        )  # fmt: skip
        return
    if status == 200:
        yield fine("SIP", f"livekit-sip answers at {address}.")
    else:
        yield warning("SIP", f"The server at {address} answers OPTIONS with {status}.")


def _worker(now: datetime) -> Iterator[Finding]:
    seen = presence.last_seen()
    if seen is None or now - seen > QUIET_WORKER:
        when = f"since {seen:%H:%M:%S}" if seen else "lately"
        yield problem(
            "Worker", f"No agent worker has asked for its plans {when}: calls are refused.",
            "Start a worker, and compare its CONTROL_URL and WORKER_TOKEN with ours.",
        )  # fmt: skip
    else:
        yield fine("Worker", "An agent worker keeps its plans up to date.")


def _hooks() -> Iterator[Finding]:
    hooks = InboundEvent.objects.exclude(name=carrier_hooks.EVENT).order_by("-received_at")
    if newest := hooks.first():
        yield fine("Hooks", f"LiveKit's last hook came at {newest.received_at:%Y-%m-%d %H:%M}.")
    elif Call.objects.exists():
        yield problem(
            "Hooks", "There were calls, but LiveKit has never sent a hook.",
            f"Set webhook.urls of livekit-server to {settings.PUBLIC_URL}/hooks/livekit.",
        )  # fmt: skip
    else:
        yield warning("Hooks", "No hook has come yet; there was no call either.")


def _carriers(now: datetime) -> Iterator[Finding]:
    troubles = carrier_health.troubles(now=now)
    yield from some([warning(about, text, advice) for about, text, advice in troubles])


def _clock(now: datetime) -> Iterator[Finding]:
    try:
        offset = probes.clock_offset_s(settings.LIVEKIT_URL, now)
    except OSError:
        return  # that it is away was said
    if offset is not None and abs(offset) > CLOCK_S:
        which = "ahead of" if offset > 0 else "behind"
        yield problem(
            "Clock", f"LiveKit's clock is {abs(offset):.0f} s {which} ours: it refuses our tokens.",
            "Let both machines take their time from the same NTP servers.",
        )  # fmt: skip
    elif offset is not None:
        yield fine("Clock", "LiveKit's clock and ours agree.")


def _certificates(now: datetime) -> Iterator[Finding]:
    for url in (settings.LIVEKIT_URL, settings.PUBLIC_URL, settings.S3_PUBLIC_ENDPOINT):
        try:
            until = probes.certificate_until(url)
        except OSError as trouble:
            yield problem("Certificates", f"{url}: {trouble}.", "Renew it, or correct the address.")
            continue
        if until and until - now < EXPIRES:
            yield warning(
                "Certificates", f"The one of {url} ends on {until:%Y-%m-%d}.", "Renew it."
            )
        elif until:
            yield fine("Certificates", f"The one of {url} is good until {until:%Y-%m-%d}.")


def _redis() -> Iterator[Finding]:
    try:
        keeps = probes.redis_keeps(settings.REDIS_URL)
    except redis.ResponseError:
        return  # we may not ask: somebody else runs it
    except (redis.RedisError, OSError):
        yield problem("Redis", "It does not answer.", "Start it, or correct REDIS_URL.")
        return
    if keeps:
        yield fine("Redis", "It keeps what it holds on disk.")
    else:
        yield warning(
            "Redis", "It forgets everything when it restarts: trunks, rules and running calls.",
            "Switch on appendonly in its configuration.",
        )  # fmt: skip
