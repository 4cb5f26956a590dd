"""Test calls: a line which exists only for one call, an echo at its end, and what came of it."""

import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.core.cache import cache
from django.utils import timezone

from telephony import wiring
from telephony.caller import selftest
from telephony.caller.selftest import Verdict
from telephony.errors import GatewayRefused, GatewayUnavailable
from telephony.gateway import Gateway
from telephony.sync import InboundTrunkSpec, RuleSpec

# not a tag of our rows: the audit, which deletes what no row wants, leaves it alone
PREFIX = "contactcenter:test:"
KEY, KEPT_S, LEASE_S = "telephony:testcall", 24 * 3600, 60
ROOM_PREFIX = "echo"
LATE = timedelta(seconds=90)


def run(*, now: datetime) -> Verdict:
    """Place one test call and remember what came of it. Takes about 8 s."""
    with wiring.single_flight("testcall", lease_s=LEASE_S, wait_s=0) as mine:
        if not mine:
            return Verdict(ok=False, headline="Another test call is running.", advice="Wait.")
        verdict = _run(wiring.gateway())
        remember(verdict, now)
    return verdict


def _run(gateway: Gateway) -> Verdict:
    try:
        with _line(gateway) as (number, password):
            target = f"sip:{number}@{settings.SIP_ADDRESS}"
            return selftest.place(target, username=number, password=password)
    except (GatewayUnavailable, GatewayRefused) as trouble:
        return Verdict(ok=False, headline=str(trouble))
    except ValueError:
        return Verdict(
            ok=False, headline=f"SIP_ADDRESS is “{settings.SIP_ADDRESS}”, which is no address.",
            advice="Write host:port, as 203.0.113.7:5060.",
        )  # fmt: skip


@contextmanager
def _line(gateway: Gateway) -> Iterator[tuple[str, str]]:
    """A trunk with a password and no addresses: our call may come from anywhere, others may not."""
    _sweep(gateway)
    name = secrets.token_hex(4)
    number, password = f"echo-{name}", secrets.token_urlsafe(18)
    trunk = gateway.put_trunk(
        InboundTrunkSpec(
            tag=f"{PREFIX}{name}", name="Test call", numbers=(number,), allowed_addresses=(),
            ringing_timeout_s=round(selftest.ANSWER_S), auth_username=number,
            auth_password=password,
        ),
        remote_id="",
    )  # fmt: skip
    try:
        gateway.put_rule(
            RuleSpec(
                tag=f"{PREFIX}{name}", trunk_ids=(trunk,), room_prefix=ROOM_PREFIX,
                agent_name=settings.AGENT_NAME, agent_metadata=json.dumps({"echo": True}),
            ),
            remote_id="",
        )  # fmt: skip
        yield number, password
    finally:
        with suppress(GatewayUnavailable, GatewayRefused):
            _sweep(gateway)


def _sweep(gateway: Gateway) -> None:
    """Also what a test call which died has left behind."""
    for rule in gateway.list_rules():
        if rule.spec.tag.startswith(PREFIX):
            gateway.delete_rule(remote_id=rule.remote_id)
    for trunk in gateway.list_trunks():
        if trunk.spec.tag.startswith(PREFIX):
            gateway.delete_trunk(remote_id=trunk.remote_id)


# --- the last one ---------------------------------------------------------------------------------


def remember(verdict: Verdict, now: datetime) -> None:
    _keep({"state": "done", "at": now.isoformat(), **asdict(verdict)})


def remember_asked(now: datetime) -> None:
    _keep({"state": "waiting", "at": now.isoformat()})


def _keep(told: dict[str, Any]) -> None:
    with suppress(Exception):  # the cache is a courtesy, whichever it is
        cache.set(KEY, told, KEPT_S)


def last() -> dict[str, Any]:
    """state (waiting, late, done), at (ISO), and the fields of Verdict; empty if there was none."""
    try:
        told = cache.get(KEY) or {}
    except Exception:
        return {}
    is_late = told and timezone.now() - datetime.fromisoformat(told["at"]) > LATE
    if told.get("state") == "waiting" and is_late:
        nobody = Verdict(
            ok=False, headline="Nobody placed the test call.",
            advice="Start the Celery worker, or run `manage.py testcall` by hand.",
        )  # fmt: skip
        return told | {"state": "late", **asdict(nobody)}
    return told
