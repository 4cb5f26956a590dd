"""Makes LiveKit's ingresses equal to our rows, and notes on the rows what they do.

List, compare, repair, as trunks are (telephony/push.py), but apart from them: a URL input needs
the ingress service, and 3 s to learn that there is none must not hold up the trunks.
"""

import logging
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import QuerySet

from agents import seal
from telephony import ingress, ingress_address
from telephony.errors import GatewayRefused
from telephony.ingress import IngressDoor, IngressSpec, LiveIngress
from telephony.models import Ingress, SyncState

log = logging.getLogger(__name__)

State = Ingress.State
RETRY_S = 60  # what LiveKit refused is tried again so much later
RENEW = "renew"  # instead of LiveKit's id: what it holds is thrown away and made anew
NO_ADDRESS = (
    "LiveKit knows no address to send to: its configuration has no part “ingress” "
    "(deploy/README.md)."
)
LOST = "LiveKit had lost it and made it anew, with a new stream key."


def sync(*, now: datetime, gateway: IngressDoor) -> int:
    """Compare all and repair; return how many were changed on LiveKit. May be repeated.

    Raises GatewayUnavailable when LiveKit itself is away.
    """
    rows = {ingress.tag(row.pk): row for row in Ingress.objects.select_related("call")}
    live: dict[str, LiveIngress] = {}
    changed = 0
    for found in gateway.list_ingress():
        if not found.tag.startswith(ingress.TAG):
            continue  # somebody else's
        row = rows.get(found.tag)
        is_ours = row is not None and found.tag not in live
        if is_ours and row and row.remote_id in ("", found.remote_id):
            live[found.tag] = found
        else:  # of a deleted row, or made twice
            gateway.delete_ingress(remote_id=found.remote_id)
            changed += 1
    for tag, row in rows.items():
        try:
            changed += _settle(row, live.get(tag), now, gateway)
        except GatewayRefused as refusal:
            _failed(row, str(refusal), now)
    return changed


def _settle(row: Ingress, live: LiveIngress | None, now: datetime, gateway: IngressDoor) -> int:
    if live:
        note_state(row.pk, live)
        row.refresh_from_db()
    if not _is_wanted(row):
        if live:
            gateway.delete_ingress(remote_id=live.remote_id)
        _let_go(row, now)
        return 1 if live else 0
    if row.sync_state == SyncState.FAILED and not live and _was_tried_lately(row, now):
        return 0
    spec = spec_of(row)
    if row.kind == Ingress.Kind.URL and (live is None or ingress.differs(spec, live)):
        _require_allowed(row.source_url)
    if live and not ingress.differs(spec, live):
        _noted(row, live, now)
        return 0
    if live and row.kind != Ingress.Kind.URL and live.kind == spec.kind:
        _noted(row, gateway.update_ingress(spec, remote_id=live.remote_id), now)
        return 1
    if live:
        gateway.delete_ingress(remote_id=live.remote_id)
    _noted(row, gateway.create_ingress(spec), now, is_new=True)
    return 1


def spec_of(row: Ingress) -> IngressSpec:
    return IngressSpec(
        tag=ingress.tag(row.pk),
        kind=row.kind,
        name=row.name,
        room=row.target,
        identity=row.identity,
        url=row.source_url if row.kind == Ingress.Kind.URL else "",
    )


def _is_wanted(row: Ingress) -> bool:
    """Not after its call, and what was fetched and played is not played again by itself."""
    if not row.enabled or not row.target or (row.call and row.call.ended_at):
        return False
    return not (row.kind == Ingress.Kind.URL and row.state in ingress.ENDED)


def _require_allowed(url: str) -> None:
    try:
        ingress_address.check_resolved(url, private=settings.INGRESS_PRIVATE_NETWORKS)
    except ingress_address.Forbidden as reason:
        raise GatewayRefused(str(reason)) from reason


def _was_tried_lately(row: Ingress, now: datetime) -> bool:
    return row.tried_at is not None and now - row.tried_at < timedelta(seconds=RETRY_S)


# --- what is noted on the row -------------------------------------------------------------------


def _noted(row: Ingress, live: LiveIngress, now: datetime, *, is_new: bool = False) -> None:
    is_deaf = row.kind != Ingress.Kind.URL and not live.address
    changes: dict[str, Any] = {
        "remote_id": live.remote_id,
        "sync_state": SyncState.FAILED if is_deaf else SyncState.SYNCED,
        "sync_error": NO_ADDRESS if is_deaf else "",
        "address": live.address if row.kind != Ingress.Kind.URL else "",
    }
    if is_new or row.remote_id != live.remote_id:
        changes |= _key(live) | {"synced_at": now, "tried_at": now, "state_ns": live.at_ns}
        changes["state"] = live.status if live.status in State.values else State.INACTIVE
        changes["state_error"] = live.error
        if row.remote_id not in ("", RENEW) and row.kind != Ingress.Kind.URL:
            changes["state_error"] = LOST
    if any(getattr(row, name) != value for name, value in changes.items()):
        _rows(row).update(**changes)


def _key(live: LiveIngress) -> dict[str, Any]:
    """Sealed until somebody has been shown it; a source we fetch has none."""
    if live.kind == Ingress.Kind.URL or not live.stream_key:
        return {"sealed_stream_key": "", "key_shown_at": None}
    sealed = seal.seal(live.stream_key, keys=settings.SEAL_KEYS)
    return {"sealed_stream_key": sealed, "key_shown_at": None}


def _let_go(row: Ingress, now: datetime) -> None:
    changes: dict[str, Any] = {
        "remote_id": "", "sync_state": SyncState.SYNCED, "sync_error": "", "address": "",
        "sealed_stream_key": "", "key_shown_at": None,
    }  # fmt: skip
    if row.state not in ingress.ENDED:
        changes["state"] = State.INACTIVE
    if any(getattr(row, name) != value for name, value in changes.items()):
        _rows(row).update(**changes, synced_at=now)


def _failed(row: Ingress, error: str, now: datetime) -> None:
    _rows(row).update(sync_state=SyncState.FAILED, sync_error=error, tried_at=now)


def _rows(row: Ingress) -> QuerySet[Ingress]:
    return Ingress.objects.filter(pk=row.pk)


# --- what hooks tell ----------------------------------------------------------------------------


def told(*, remote_id: str, status: str, error: str, at_ns: int) -> bool:
    """A hook about an ingress, possibly late or again; whether it was news."""
    if status not in State.values:
        return False
    rows = Ingress.objects.filter(remote_id=remote_id, state_ns__lt=at_ns)
    return bool(rows.update(state=status, state_error=error, state_ns=at_ns))


def note_state(pk: int, live: LiveIngress) -> None:
    """What the list says: the truth of this moment, so it also mends what hooks lost."""
    if live.status not in State.values:
        return
    rows = Ingress.objects.filter(pk=pk, state_ns__lte=live.at_ns)
    rows.exclude(state=live.status, state_error=live.error, state_ns=live.at_ns).exclude(
        state=live.status, state_error=LOST
    ).update(state=live.status, state_error=live.error, state_ns=live.at_ns)


# --- what supervisors do ------------------------------------------------------------------------


def play_again(*, row: Ingress) -> None:
    """A source we fetch starts from its beginning."""
    _rows(row).update(
        state=State.INACTIVE, state_error="", sync_state=SyncState.PENDING, tried_at=None
    )


def take_key(*, row: Ingress, now: datetime) -> str:
    """The stream key, once: whoever comes second gets nothing. Raises SealBroken."""
    sealed = Ingress.objects.filter(pk=row.pk).values_list("sealed_stream_key", flat=True).get()
    if not sealed:
        return ""
    key = seal.unseal(sealed, keys=settings.SEAL_KEYS)
    mine = Ingress.objects.filter(pk=row.pk, sealed_stream_key=sealed)
    return key if mine.update(sealed_stream_key="", key_shown_at=now) else ""


def new_key(*, row: Ingress) -> None:
    """Another stream key; the old one is worth nothing once LiveKit knows."""
    _rows(row).update(
        remote_id=RENEW, sealed_stream_key="", key_shown_at=None, sync_state=SyncState.PENDING
    )
