"""Before a call is answered: what does the number's policy say, and who is the caller?

Asked while the room is joined, so that nobody rings longer. Django away: the last decision known
for the number if it still holds, else the call is answered by its plan.
"""

import asyncio
import contextlib
import json
import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agents.entrance import Decision, caller_in, digits, journal_words
from agents.worker import lookup
from agents.worker.config import Config
from agents.worker.desk import Desk
from agents.worker.journal import Journal
from agents.worker.plans import write_whole

log = logging.getLogger(__name__)

NOW = "decided now"
LIMIT_S = 0.5  # from the moment we began to ask


class Reception:
    def __init__(self, config: Config, journal: Journal) -> None:
        self._config = config
        self._journal = journal
        self._asking: asyncio.Task[dict[str, Any]] | None = None
        self._asked: tuple[str, str] = "", ""  # plan, caller
        self._deadline = 0.0  # the loop's clock
        self._looking: asyncio.Task[dict[str, str]] | None = None
        self._keeping: asyncio.Task[None] | None = None
        self.decision = Decision()
        self.source = ""
        self.facts: dict[str, str] = {}  # filled as soon as the lookup has answered

    def ask(self, *, room: str, plan: str) -> None:
        """Begin; the caller is known from the room's name."""
        self._asked = plan, caller_in(room)
        self._deadline = asyncio.get_running_loop().time() + LIMIT_S
        self._asking = asyncio.create_task(self._question(plan, caller_in(room), ""))

    async def _question(self, plan: str, caller: str, called: str) -> dict[str, Any]:
        url, token = self._config.control_url, self._config.worker_token
        async with Desk(url, token, timeout_s=LIMIT_S) as desk:
            return await desk.entrance(plan=plan, caller=caller, called=called)

    async def decide(self, *, room: str, attributes: Mapping[str, str]) -> None:
        """Settle `decision`, and begin to look the caller up if it says so."""
        if "sip.ruleID" not in attributes:  # we called him
            return
        caller = attributes.get("sip.phoneNumber", "")
        called = attributes.get("sip.trunkPhoneNumber", "")
        try:
            async with asyncio.timeout_at(self._deadline):
                self.decision = await self._said(caller, called)
            self.source = NOW
        except Exception as trouble:  # whatever it is, the caller is ringing
            log.warning("No decision about a call", extra={"error": type(trouble).__name__})
            self._remember(called)
        if self.decision.priority:
            self.facts["priority"] = str(self.decision.priority)
        if self.decision.lookup and self.decision.action == "answer":
            self._looking = asyncio.create_task(self._look_up(room, caller, called))

    async def _said(self, caller: str, called: str) -> Decision:
        assert self._asking is not None
        told = await asyncio.shield(self._asking)
        plan, guessed = self._asked
        found = _of(told, called)
        if digits(guessed) != digits(caller) or (found is None and not told["whole"]):
            told = await self._question(plan, caller, called)
            found = _of(told, called)
        if found is None:
            return Decision.from_dict(told["others"])
        self._keeping = asyncio.create_task(self._keep(called, found["usual"]))
        return Decision.from_dict(found["decision"])

    # --- what was decided last --------------------------------------------------------------------

    def _file(self, called: str) -> Path:
        return self._config.entrance_dir / f"{digits(called)[:15] or 'none'}.json"

    async def _keep(self, called: str, usual: object) -> None:
        """For callers nobody listed: who was blocked is not held against the next one."""
        text, path = json.dumps(usual).encode(), self._file(called)
        with contextlib.suppress(OSError):
            if not path.exists() or path.read_bytes() != text:
                await asyncio.to_thread(write_whole, path, text)

    def _remember(self, called: str) -> None:
        self.decision, self.source = Decision(), "nobody could be asked: answered by the plan"
        with contextlib.suppress(OSError, ValueError, TypeError):
            last = Decision.from_dict(json.loads(self._file(called).read_bytes()))
            if last.holds(time.time()):
                self.decision, self.source = last, "nobody could be asked: as decided last"

    # --- who the caller is ------------------------------------------------------------------------

    async def _look_up(self, room: str, caller: str, called: str) -> dict[str, str]:
        """Whatever goes wrong is noted and costs the call nothing."""
        assert self.decision.lookup is not None
        asked = lookup.Asked(call=room, caller=caller, called=called)
        began = time.monotonic()
        try:
            self.facts |= await lookup.ask(
                self.decision.lookup, asked,
                hosts=self._config.lookup_hosts, seal_keys=list(self._config.seal_keys),
            )  # fmt: skip
            outcome = "knows " + (", ".join(sorted(self.facts)) or "nothing")
        except lookup.LookupFailed as reason:
            outcome = str(reason)
        took = round((time.monotonic() - began) * 1000)
        self._journal.write("tool", name="caller lookup", outcome=f"{outcome} ({took} ms)")
        return self.facts

    def write_down(self) -> None:
        """Only what says something: a plain answer by a number without policy does not."""
        if self.source and (self.decision != Decision() or self.source != NOW):
            words = journal_words(self.decision, self.source)
            self._journal.write("tool", name="entrance", outcome=words)

    async def aclose(self) -> None:
        for task in (self._asking, self._looking, self._keeping):
            if task:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError, Exception):
                    await task


def _of(told: Mapping[str, Any], called: str) -> dict[str, Any] | None:
    found: dict[str, Any] | None = told["numbers"].get(f"+{digits(called)}")
    return found
