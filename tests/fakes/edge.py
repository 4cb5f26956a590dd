"""The SIP edge in memory. tests/e2e/test_edge.py has the real one."""

from collections.abc import Mapping
from dataclasses import replace

from telephony.edge import Account, Registration
from telephony.errors import EdgeUnavailable


class FakeEdge:
    """`away` makes it fail; `say` sets what the registrar told it; `restart` makes it forget."""

    def __init__(self) -> None:
        self.restart()
        self.away = False
        self.writes: list[str] = []

    def restart(self) -> None:
        self.table: dict[str, str] = {}
        self._digest = ""
        self.known: dict[str, Registration] = {}

    def say(self, name: str, **values) -> None:
        self.known[name] = replace(self.known[name], **values)

    def digest(self) -> str:
        if self.away:
            raise EdgeUnavailable("The SIP edge does not answer at nowhere.")
        return self._digest

    def put(self, table: Mapping[str, str], *, digest: str) -> None:
        self.writes.append("put")
        self.table, self._digest = dict(table), digest

    def contacts(self) -> dict[str, str]:
        return {"udp": "203.0.113.1:5060", "tcp": "203.0.113.1:5060;transport=tcp"}

    def registrations(self) -> list[Registration]:
        return list(self.known.values())

    def register(self, account: Account) -> None:
        assert account.name not in self.known, "Kamailio refuses a second one (409)"
        self.writes.append(f"register {account.name}")
        self.known[account.name] = Registration(account=account)

    def unregister(self, name: str) -> None:
        self.writes.append(f"unregister {name}")
        self.say(name, leaving=True, until=None)

    def forget(self, name: str) -> None:
        self.writes.append(f"forget {name}")
        self.known.pop(name, None)
