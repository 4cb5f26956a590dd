"""The only module that speaks to the SIP edge (Kamailio, deploy/edge): its JSON-RPC over HTTP."""

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

from telephony.errors import EdgeUnavailable

WAIT_S = 3.0
ONGOING, ONLINE = 2, 4  # of the flags of uac.reg_info
EXPIRES_S = 3600  # asked for; the registrar may grant less
NONE = "."  # in uac.reg_add: no such value
# an edge is near; a proxy of this machine has no business with it
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What the edge registers as. `name` is the user part of the contact it leaves there."""

    name: str
    user: str
    password: str = field(repr=False)
    registrar: str  # host
    proxy: str  # sip:host:port;transport=…, where REGISTER is sent
    contact: str  # host:port;transport=…, where calls shall come


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """How an account stands. `status` is the registrar's last word, 0 while it is silent."""

    account: Account
    until: datetime | None = None  # registered until then
    status: int = 0
    since: datetime | None = None  # of the last word, or of the silence; None: nothing was sent
    leaving: bool = False  # it has been asked to unregister


class Edge(Protocol):
    def digest(self) -> str: ...
    def put(self, table: Mapping[str, str], *, digest: str) -> None: ...
    def contacts(self) -> dict[str, str]: ...
    def registrations(self) -> list[Registration]: ...
    def register(self, account: Account) -> None: ...
    def unregister(self, name: str) -> None: ...
    def forget(self, name: str) -> None: ...


class KamailioEdge:
    """Every method raises EdgeUnavailable."""

    def __init__(self, *, url: str, token: str) -> None:
        self._url, self._token = url, token

    # --- who may call -----------------------------------------------------------------------------

    def digest(self) -> str:
        """Of the table in force; empty if there is none, as after a restart."""
        return self._entry("push", "digest")

    def put(self, table: Mapping[str, str], *, digest: str) -> None:
        """Fill the table which is not in force, then switch over."""
        other = "a" if self._entry("push", "active") == "b" else "b"
        self._call("htable.flush", other)
        for key, value in table.items():
            self._call("htable.sets", other, key, value)
        self._call("htable.sets", "push", "active", other)
        self._call("htable.sets", "push", "digest", digest)

    def contacts(self) -> dict[str, str]:
        """Where carriers reach the edge, by transport; tls only if it has a certificate."""
        found = {kind: self._entry("push", f"contact:{kind}") for kind in ("udp", "tcp", "tls")}
        return {kind: contact for kind, contact in found.items() if contact}

    # --- registrations ----------------------------------------------------------------------------

    def registrations(self) -> list[Registration]:
        return [self._registration(info) for info in self._call("uac.reg_dump") or []]

    def _registration(self, info: Mapping[str, Any]) -> Registration:
        account = Account(
            name=info["l_uuid"],
            user=info["auth_username"],
            password=info["auth_password"],
            registrar=info["r_domain"],
            proxy=info["auth_proxy"],
            contact=info["contact_addr"],
        )
        word, _, moment = self._entry("state", account.name).partition(" ")
        if info["flags"] & ONGOING and word != "sent":
            word = moment = ""  # a challenge, or about to change
        return Registration(
            account=account,
            until=_moment(info["timer_expires"]) if info["flags"] & ONLINE else None,
            status=int(word) if word.isdigit() else 0,
            since=_moment(moment) if moment.isdigit() else None,
            leaving=info["expires"] == 0,
        )

    def register(self, account: Account) -> None:
        """It registers within 5 s, again before it expires, and a minute after a refusal."""
        aor = (account.user, account.registrar) * 2
        secret = ("", account.user, account.password, NONE)  # any realm; no HA1
        numbers = (EXPIRES_S, 0, 0)
        self._call(
            "uac.reg_add", account.name, *aor, *secret, account.proxy, *numbers, "",
            account.contact,
        )  # fmt: skip

    def unregister(self, name: str) -> None:
        """Tell the registrar. It may ask for the password, so `forget` it later."""
        self._call("uac.reg_unregister", "l_uuid", name)

    def forget(self, name: str) -> None:
        self._call("uac.reg_remove", name, absent=True)
        self._call("htable.delete", "state", name, absent=True)

    # --- the wire ---------------------------------------------------------------------------------

    def _entry(self, table: str, key: str) -> str:
        found = self._call("htable.get", table, key, absent=True)
        return str(found["item"]["value"]) if found else ""

    def _call(self, method: str, *params: str | int, absent: bool = False) -> Any:
        """`absent`: that there is no such entry is no error, and the answer is None."""
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
        request = urllib.request.Request(  # noqa: S310 the scheme is a setting of the operator
            self._url,
            body.encode(),
            {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"},
        )
        try:
            with _DIRECT.open(request, timeout=WAIT_S) as answer:
                return json.load(answer)["result"]
        except urllib.error.HTTPError as refusal:
            return self._refused(method, refusal, absent=absent)
        except (OSError, ValueError, KeyError, TypeError) as trouble:
            raise EdgeUnavailable(
                f"The SIP edge does not answer at {self._url}. "
                f"Check that it runs and that SIP_EDGE_RPC_URL is right."
            ) from trouble

    def _refused(self, method: str, refusal: urllib.error.HTTPError, *, absent: bool) -> None:
        if refusal.code == 403:
            raise EdgeUnavailable(
                "The SIP edge refuses our token. Give both the same SIP_EDGE_TOKEN."
            ) from refusal
        said = refusal.read(500).decode(errors="replace")
        if absent and ("doesn't exist" in said or refusal.code == 404):
            return
        raise EdgeUnavailable(f"The SIP edge refused {method} ({refusal.code}).") from refusal


def _moment(ticks: int | str) -> datetime:
    return datetime.fromtimestamp(int(ticks), UTC)
