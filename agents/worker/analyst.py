"""Answers what the control plane wants to know of finished calls: it has neither keys nor SDKs.

In the worker's main process, one question after another, beside calls and slower than they are.
"""

import asyncio
import contextlib
import logging
from typing import Any

from agents.worker import analysis, retelling
from agents.worker.config import Config
from agents.worker.desk import Desk, DeskAway, DeskRefused

log = logging.getLogger(__name__)

LOOK_S = 2.0
TELL_S = (1.0, 2.0, 5.0, 10.0, 20.0, 30.0)  # an answer was paid for: it is offered for a while


class Analyst:
    def __init__(self, config: Config, desk: Desk) -> None:
        self._config = config
        self._desk = desk

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(LOOK_S)
            try:
                for wish in await self._desk.analyses():
                    await self._answer(wish)
            except (DeskAway, DeskRefused):
                continue  # the keeper says so in the log
            except Exception:
                log.exception("A question about a finished call failed")

    async def _answer(self, wish: dict[str, Any]) -> None:
        number = int(wish["id"])
        try:
            outcome = await self._outcome(wish)
        except asyncio.CancelledError:  # the worker stops: another one may take it at once
            with contextlib.suppress(DeskAway, DeskRefused):
                await self._desk.give_back(number)
            raise
        await self._tell(number, outcome)

    async def _outcome(self, wish: dict[str, Any]) -> dict[str, Any]:
        """Never raises, but for cancelling: what failed is told in words."""
        try:
            if wish.get("kind") == "ask":
                return await analysis.ask(wish, self._config)
            return await retelling.retell(wish, self._config, self._desk)
        except Exception as reason:
            log.exception("A question about a finished call failed", extra={"analysis": wish["id"]})
            return {"ok": False, "error": f"The worker failed ({type(reason).__name__})."}

    async def _tell(self, number: int, outcome: dict[str, Any]) -> None:
        for wait in TELL_S:
            with contextlib.suppress(DeskAway):
                await self._desk.analysed(number, outcome)
                return
            await asyncio.sleep(wait)
        await self._desk.analysed(number, outcome)
