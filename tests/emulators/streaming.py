"""An STT over a WebSocket: audio in, messages out when they are due, in each provider's words."""

import asyncio
import json
import time
from typing import Any

from aiohttp import WSMessage, WSMsgType, web

from tests.emulators.calls import Call
from tests.emulators.core import AT_THE_DOOR
from tests.emulators.hearing import Heard, Listener, Word

FAULTS = AT_THE_DOOR | {"stall"}  # of the connection; the others strike while it listens
BAD_DATA = 1003


class Conversation:
    """Subclasses have `tell`, `control`, and may have `opened`."""

    idle_s: float | None = None  # without a message for so long the provider closes
    idle_code, idle_reason = 1011, ""

    def __init__(self, call: Call, rate: int) -> None:
        self.call = call
        self.listener = Listener(call.board.script.book, rate)
        self._waiting: asyncio.Queue[tuple[float, str, Any]] = asyncio.Queue()
        self._last_due = 0.0

    async def opened(self) -> None: ...

    def tell(self, heard: Heard) -> None:
        raise NotImplementedError

    async def control(self, said: dict[str, Any]) -> bool:
        """Obey a text message. False: the conversation is over."""
        raise NotImplementedError

    async def run(self) -> web.WebSocketResponse:
        self.websocket = await self.call.accept()
        self.call.spawn(self._send_in_order())
        await self.opened()
        while await self._step():
            pass
        await self.websocket.close()
        return self.websocket

    async def _step(self) -> bool:
        try:
            message = await self.websocket.receive(timeout=self.idle_s)
        except TimeoutError:
            await self.fail(self.idle_code, self.idle_reason)
            return False
        try:
            return await self._take(message)
        except ValueError as reason:
            await self.fail(BAD_DATA, str(reason))
            return False

    async def _take(self, message: WSMessage) -> bool:
        if message.type is WSMsgType.BINARY:
            for heard in self.listener.push(message.data):
                self.tell(heard)
            self.call.heard(self.listener.seconds)
            return True
        return message.type is WSMsgType.TEXT and await self.control(json.loads(message.data))

    async def fail(self, code: int, reason: str) -> None:
        await self.websocket.close(code=code, message=reason.encode()[:120])

    def send(self, what: str, said: dict[str, Any], due: float | None = None) -> None:
        """At `due`, or at once; never before what was sent earlier."""
        self._last_due = max(self._last_due, time.monotonic() if due is None else due)
        self._waiting.put_nowait((self._last_due, what, said))

    def due(self, heard: Heard) -> float:
        """When the text of an utterance is known: its delay after its last sound was there."""
        return max(heard.at + self.call.delay(), time.monotonic())

    async def all_sent(self) -> None:
        await self._waiting.join()

    async def _send_in_order(self) -> None:
        while True:
            due, what, said = await self._waiting.get()
            try:
                await self.call.at(due, what, self.websocket.send_json, said)
            finally:
                self._waiting.task_done()


def confidence(words: list[Word]) -> float:
    return 0.98 if words else 0.0
