"""All emulators on one port, Wyoming on a second one; in this process or in one of their own."""

from contextlib import AbstractAsyncContextManager
from typing import Self

from aiohttp import web

from tests.emulators import (
    anthropic,
    assemblyai,
    cartesia,
    control,
    deepgram,
    elevenlabs,
    local,
    openai,
    wyoming,
)
from tests.emulators.addresses import Addresses
from tests.emulators.core import Board, Fault, Profile, Script
from tests.emulators.spawned import Spawned, spawned

MODULES = (deepgram, assemblyai, cartesia, elevenlabs, openai, anthropic, local, control)


def application(board: Board) -> web.Application:
    app = web.Application(client_max_size=64 * 1024**2)
    for module in MODULES:
        app.add_routes(module.routes(board))
    return app


class Emulators(Addresses):
    """`async with Emulators(profile="zero", script=…) as e:` for tests in the same process."""

    def __init__(
        self, profile: str | Profile = "zero", script: Script | None = None, *,
        faults: list[Fault] | None = None, marked: bool = False, port: int = 0,
        wyoming_port: int = 0,
    ) -> None:  # fmt: skip
        self.board = Board(profile, script, faults=faults, marked=marked)
        self._port, self._wyoming_port = port, wyoming_port

    async def __aenter__(self) -> Self:
        await self.board.script.prepare()
        self._runner = web.AppRunner(
            application(self.board),
            access_log=None,
            handler_cancellation=True,
            shutdown_timeout=0.2,
        )
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port).start()
        self._wyoming = await wyoming.serve(self.board, self._wyoming_port)
        self.base = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        self.wyoming_url = f"tcp://127.0.0.1:{self._wyoming.port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._wyoming.close()
        await self._runner.cleanup()

    @staticmethod
    def spawn(
        profile: str | Profile = "const", script: Script | None = None, *,
        faults: list[Fault] | None = None, marked: bool = False,
    ) -> AbstractAsyncContextManager[Spawned]:  # fmt: skip
        """The same in a process of its own."""
        return spawned(Profile.of(profile), script or Script(), faults or [], marked)
