"""One request or connection to an emulator: its key, its faults, its timed sends."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any

from aiohttp import WSMsgType, web

from tests.emulators import speech
from tests.emulators.core import AT_THE_DOOR, KINDS, Board, Fault

Send = Callable[[Any], Awaitable[Any]]
Key = Callable[[web.Request], str]
REASONS = {401: "Invalid credentials.", 429: "Too many requests.", 500: "Internal server error."}


class Cut(Exception):
    """The fault says: no further."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.kind)
        self.kind = fault.kind

    @property
    def status(self) -> int | None:
        return int(self.kind) if self.kind.isdigit() else None


def bearer(request: web.Request) -> str:
    return request.headers.get("Authorization", "").removeprefix("Bearer ").strip()


def header(name: str) -> Key:
    """Where providers with a header of their own have the key."""
    return lambda request: request.headers.get(name, "").removeprefix("Token ").strip()


def anybody(_: web.Request) -> str:
    """Local servers ask for no key."""
    return "none"


class Call:
    def __init__(
        self, board: Board, role: str, provider: str, request: web.Request | None = None, *,
        kinds: frozenset[str] = KINDS, number: int = 0,
    ) -> None:  # fmt: skip
        if not number:
            board.connections += 1
        self.board, self.role, self.provider = board, role, provider
        self.number = number or board.connections
        self.begun = time.monotonic()
        self.fault = board.take(role, provider, kinds)
        self.websocket: web.WebSocketResponse | None = None
        self.tasks: set[asyncio.Task[None]] = set()
        self.units = 0.0  # tokens, or seconds of audio, sent by `play`
        self._request = request
        self._body: Body | None = None

    @property
    def request(self) -> web.Request:
        assert self._request is not None
        return self._request

    def delay(self) -> float:
        return self.board.delay(self.role)

    def as_voice(self) -> dict[str, Any]:
        """`play` for pieces of CHUNK_S of speech."""
        speed = self.board.profile.voice_speed
        return {"unit": speech.CHUNK_S, "every": speech.CHUNK_S / speed if speed else 0.0}

    def as_tokens(self) -> dict[str, Any]:
        """`play` for tokens."""
        rate = self.board.profile.tokens_per_s
        return {"unit": 1.0, "every": 1 / rate if rate else 0.0}

    async def at(self, intended: float, what: str, send: Send, piece: Any, **extra: Any) -> None:
        """Wait until `intended` (monotonic seconds), send the piece, log both times."""
        if (rest := intended - time.monotonic()) > 0:
            await asyncio.sleep(rest)
        sent = time.monotonic()
        await send(piece)
        self.note(what, intended=intended, sent=sent, **extra)

    async def play(
        self, pieces: Iterable[Any], send: Send, *, unit: float, every: float,
        begun: float | None = None, after: float = 0.0, what: str = "chunk",
    ) -> float:  # fmt: skip
        """The pieces, the first a delay after `begun` (the request) but not before `after`, then
        one each `every` seconds. Returns when the next would be due. Raises Cut."""
        due = max((self.begun if begun is None else begun) + self.delay(), after)
        for piece in pieces:
            self.check(self.units)
            name = what if self.units else f"first {what}"
            await self.at(due, name, send, piece, units=self.units)
            self.units += unit
            due += every
        return due

    def check(self, units: float) -> None:
        """Raises Cut if the fault of this call strikes after so many units."""
        if self.fault is None:
            return
        if self.fault.kind in ("stall", *AT_THE_DOOR) or units >= self.fault.after - 1e-9:
            raise Cut(self.fault)

    def heard(self, seconds: float) -> None:
        """So much audio has come in by now. Faults may be set while a connection stands."""
        if self.fault is None:
            kinds = KINDS - AT_THE_DOOR
            self.fault = self.board.take(self.role, self.provider, kinds, by=seconds)
        self.check(seconds)

    def another(self) -> "Call":
        """The next thing asked on the same connection, with faults of its own."""
        call = Call(self.board, self.role, self.provider, self._request, number=self.number)
        call.websocket, call.tasks = self.websocket, self.tasks
        return call

    async def accept(self) -> web.WebSocketResponse:
        self.websocket = web.WebSocketResponse(max_msg_size=0)
        await self.websocket.prepare(self.request)
        return self.websocket

    def body(self, headers: dict[str, str]) -> "Body":
        self._body = Body(self.request, headers)
        return self._body

    async def finished(self) -> web.StreamResponse:
        """The answer as far as it got."""
        if self._body is not None:
            return await self._body.end()
        return self.websocket or web.Response()

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Beside the reading of a WebSocket; ends with the connection, and its cuts are obeyed."""
        task = asyncio.create_task(self._obedient(work))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task

    async def _obedient(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Cut as cut:
            await self.obey(cut)
        except ConnectionError:
            pass  # the client has hung up

    def stop(self) -> None:
        for task in list(self.tasks):
            task.cancel()

    async def obey(self, cut: Cut) -> None:
        if cut.kind == "drop":
            self.hang_up()
        elif cut.kind in ("half", "refuse") and self.websocket is not None:
            await self.websocket.close()

    def hang_up(self) -> None:
        """Cut the socket: no farewell."""
        if self._request is not None and self._request.transport is not None:
            self._request.transport.abort()

    def note(self, what: str, **said: Any) -> None:
        self.board.note(self.role, self.provider, what, connection=self.number, **said)


class Body:
    """An HTTP answer whose headers go out with its first piece."""

    def __init__(self, request: web.Request, headers: dict[str, str]) -> None:
        self._request = request
        self._answer = web.StreamResponse(headers=headers)

    async def write(self, piece: bytes) -> None:
        if not self._answer.prepared:
            await self._answer.prepare(self._request)
        await self._answer.write(piece)

    async def end(self) -> web.StreamResponse:
        if not self._answer.prepared:
            await self._answer.prepare(self._request)
        with contextlib.suppress(ConnectionError):
            await self._answer.write_eof()
        return self._answer


Work = Callable[[Call], Awaitable[web.StreamResponse]]
Refusal = Callable[[int, str], dict[str, Any]]


def served(
    board: Board, role: str, provider: str, work: Work, *, key: Key = bearer,
    refusal: Refusal = lambda status, text: {"error": {"message": text, "code": status}},
    kinds: frozenset[str] = KINDS,
) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:  # fmt: skip
    """The handler of a route. `refusal` is the JSON of the provider's errors; `kinds` are the
    faults of the connection (a TTS connection leaves the others to what is asked on it)."""

    async def handle(request: web.Request) -> web.StreamResponse:
        given = key(request)
        if not given or given.startswith("bad"):
            return web.json_response(refusal(401, REASONS[401]), status=401)
        call = Call(board, role, provider, request, kinds=kinds)
        try:
            if denied := await _denied(call, refusal):
                return denied
            return await work(call)
        except Cut as cut:
            return await _ended(call, cut)
        finally:
            call.stop()

    return handle


async def _denied(call: Call, refusal: Refusal) -> web.StreamResponse | None:
    kind = call.fault.kind if call.fault else ""
    if kind.isdigit():
        return web.json_response(refusal(int(kind), REASONS[int(kind)]), status=int(kind))
    if kind == "refuse":
        call.hang_up()
        return web.Response()
    if kind == "stall":
        if call.request.headers.get("Upgrade", "").lower() == "websocket":
            await call.accept()
        else:
            await call.request.read()
        return await _silent(call)
    return None


async def _ended(call: Call, cut: Cut) -> web.StreamResponse:
    call.stop()
    if cut.kind in ("stall", "stall_after"):
        return await _silent(call)
    await call.obey(cut)
    return await call.finished()


async def _silent(call: Call) -> web.StreamResponse:
    """Connected, reading, saying nothing, until the client goes."""
    if call.websocket is None:
        await asyncio.Event().wait()  # cancelled when the client goes
    assert call.websocket is not None
    async for message in call.websocket:
        if message.type is WSMsgType.ERROR:
            break
    return call.websocket
