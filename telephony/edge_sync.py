"""Makes the SIP edge equal to our rows, and the rows tell what the edge says."""

import hashlib
import json
import socket
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from ipaddress import ip_address, ip_network
from typing import Any

from django.conf import settings
from django.core.cache import cache

from agents import seal
from telephony.edge import Account, Edge, Registration
from telephony.errors import EdgeUnavailable
from telephony.models import RegistrationState, Trunk

ANSWERS = timedelta(seconds=10)  # a registrar has that long before we call it silent
KNOWN_KEY, KNOWN_S = "telephony:edge:addresses", 7 * 86400
_STATE = RegistrationState
_WORDS = {
    401: "The registrar does not accept the password. Check user name and password.",
    403: "The registrar forbids it. The account may be blocked, or our address not allowed: "
    "ask the carrier.",
    404: "The registrar does not know this user. Check the user name and the registrar.",
    423: "The registrar wants a longer interval. It is tried again by itself.",
}
_SILENT = (
    "The registrar does not answer. Check its address, port and transport, and that our firewall "
    "lets SIP out."
)


def enabled() -> bool:
    return bool(settings.SIP_EDGE_ADDRESS)


def sync(*, now: datetime, edge: Edge) -> None:
    """Compare, change what differs, note how the registrations stand."""
    rows = list(Trunk.objects.filter(via_edge=True).prefetch_related("numbers"))
    try:
        table = wanted_table(rows)
        digest = hashlib.sha256(json.dumps(table, sort_keys=True).encode()).hexdigest()
        if edge.digest() != digest:
            edge.put(table, digest=digest)
        accounts, problems = _accounts(rows, edge.contacts())
        seen = {reg.account.name: reg for reg in edge.registrations()}
        _settle(edge, accounts, seen)
    except EdgeUnavailable as trouble:
        for row in rows:
            if row.registers:
                _note(row, state=_STATE.SILENT, text=str(trouble), until=row.registered_until)
        raise
    for row in rows:
        _tell(row, accounts, problems, seen.get(account_name(row)), now)
    _clear()


def _settle(edge: Edge, accounts: Mapping[str, Account], seen: Mapping[str, Registration]) -> None:
    for name, registration in seen.items():
        if registration.leaving:
            edge.forget(name)
        elif name not in accounts:
            edge.unregister(name)
        elif registration.account != accounts[name]:
            edge.forget(name)
            edge.register(accounts[name])
    for name in accounts.keys() - seen.keys():
        edge.register(accounts[name])


# --- what the edge should know --------------------------------------------------------------------


def wanted_table(rows: Iterable[Trunk]) -> dict[str, str]:
    """Who may call which number, and where calls go (keys: deploy/edge/routes.cfg)."""
    table: dict[str, str] = {}
    everybody: set[str] = set()
    called: set[str] = set()  # carriers we call may only go on with those calls
    for row in (row for row in rows if row.enabled):
        if row.direction == Trunk.Direction.OUTBOUND:
            table[f"o:{row.pk}"] = _uri(row.address, row.transport)
            called |= _networks(row)
            continue
        networks = _networks(row)
        everybody |= networks
        numbers = sorted(number.e164.removeprefix("+") for number in row.numbers.all())
        table |= {f"n:{number}": ",".join(sorted(networks)) for number in numbers}
        if row.registers and numbers:
            table[f"u:{account_name(row)}"] = numbers[0]
    table["n:*"] = ",".join(sorted(everybody))
    table["w:*"] = ",".join(sorted(everybody | called))
    return {key: value for key, value in table.items() if value}


def _networks(row: Trunk) -> set[str]:
    found = {str(ip_network(address)) for address in row.allowed_addresses}
    if row.direction == Trunk.Direction.OUTBOUND:
        return found | _addresses_of(row.address)
    return found | (_addresses_of(row.registrar) if row.registers else set())


def lets_in(row: Trunk, address: str) -> bool:
    """Whether the edge passes calls from there on to this trunk."""
    return any(ip_address(address) in ip_network(network) for network in _networks(row))


def _addresses_of(host: str) -> set[str]:
    """A carrier's calls come from where we register, or call, as far as we know.

    While names cannot be resolved, what was known last still holds.
    """
    name = host.partition(":")[0]
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_DGRAM)
    except OSError:
        return set(cache.get(f"{KNOWN_KEY}:{name}") or ())
    addresses = {str(ip_network(str(entry[4][0]).partition("%")[0])) for entry in found}
    cache.set(f"{KNOWN_KEY}:{name}", sorted(addresses), KNOWN_S)
    return addresses


def _uri(host: str, transport: str) -> str:
    name, _, port = host.partition(":")
    kind = _transport(transport)
    return f"sip:{name}:{port or ('5061' if kind == 'tls' else '5060')};transport={kind}"


def _transport(transport: str) -> str:
    return "udp" if transport == Trunk.Transport.AUTO else transport


def account_name(row: Trunk) -> str:
    return f"trunk{row.pk}"


def _accounts(
    rows: Iterable[Trunk], contacts: Mapping[str, str]
) -> tuple[dict[str, Account], dict[str, str]]:
    """Accounts, and why there is none, by name."""
    accounts, problems = {}, {}
    for row in (row for row in rows if row.registers and row.enabled):
        name = account_name(row)
        try:
            password = seal.unseal(row.sealed_auth_password, keys=settings.SEAL_KEYS)
        except seal.SealBroken as broken:
            problems[name] = str(broken)
            continue
        if not (row.registrar and row.auth_username and password):
            problems[name] = "Registering needs registrar, user name and password. Fill them in."
            continue
        kind = _transport(row.transport)
        if kind not in contacts:
            problems[name] = f"The edge has no {kind.upper()}: set EDGE_TLS_PORT and a certificate."
            continue
        accounts[name] = Account(
            name=name,
            user=row.auth_username,
            password=password,
            registrar=row.registrar.partition(":")[0],
            proxy=_uri(row.registrar, row.transport),
            contact=contacts[kind],
        )
    return accounts, problems


# --- what the rows should tell --------------------------------------------------------------------


def _tell(
    row: Trunk,
    accounts: Mapping[str, Account],
    problems: Mapping[str, str],
    seen: Registration | None,
    now: datetime,
) -> None:
    name = account_name(row)
    if problem := problems.get(name):
        _note(row, state=_STATE.REFUSED, text=problem)
    elif name not in accounts:
        _note(row, state="")
    elif seen is None or seen.leaving or seen.account != accounts[name]:
        _note(row, state=_STATE.WAITING)
    else:
        _note_registration(row, seen, now)


def _note_registration(row: Trunk, seen: Registration, now: datetime) -> None:
    until = seen.until or row.registered_until
    if seen.status == 200 and until and until > now:
        _note(row, state=_STATE.REGISTERED, until=until, at=seen.since)
    elif seen.status >= 300:
        text = f"{words(seen.status)} ({seen.status})"
        _note(row, state=_STATE.REFUSED, text=text)
    elif seen.since and now - seen.since > ANSWERS:
        _note(row, state=_STATE.SILENT, text=_SILENT)
    elif row.registration_state in {"", _STATE.WAITING}:
        _note(row, state=_STATE.WAITING)
    # else it asks again, and what was known before still holds


def words(status: int) -> str:
    """What a registrar means, and what to do."""
    if status == 407:
        status = 401
    if status in _WORDS:
        return _WORDS[status]
    if status >= 500:
        return "The registrar is out of order. It is tried again by itself."
    return "The registrar refuses. Ask the carrier what this answer means."


def _note(
    row: Trunk,
    *,
    state: str,
    text: str = "",
    until: datetime | None = None,
    at: datetime | None = None,
) -> None:
    """Write it on the row if it is news."""
    outcome: dict[str, Any] = {
        "registration_state": state,
        "registration_text": text,
        "registered_until": until,
        "registered_at": at or row.registered_at,
    }
    if any(getattr(row, name) != value for name, value in outcome.items()):
        Trunk.objects.filter(pk=row.pk).update(**outcome)


def _clear() -> None:
    """Trunks which have left the edge say nothing about it any more."""
    left = Trunk.objects.filter(via_edge=False).exclude(registration_state="")
    left.update(registration_state="", registration_text="", registered_until=None)
