"""How another process steers the emulators and reads their log: /_control/ on every port."""

from typing import Any

from aiohttp import web

from tests.emulators.core import Board, Fault, Profile, Script


def routes(board: Board) -> list[web.RouteDef]:
    async def state(_: web.Request) -> web.Response:
        return web.json_response(board.state())

    async def log(request: web.Request) -> web.Response:
        return web.json_response(board.log[int(request.query.get("since", 0)) :])

    async def change(request: web.Request) -> web.Response:
        try:
            said = await request.json() if request.can_read_body else None
            await _change(board, request.match_info["what"], said)
        except (ValueError, TypeError, KeyError) as reason:
            return web.json_response({"error": f"Not understood: {reason}"}, status=400)
        return web.json_response(board.state())

    return [
        web.get("/_control/state", state),
        web.get("/_control/log", log),
        web.post("/_control/{what:profile|faults|script|marked|reset}", change),
    ]


async def _change(board: Board, what: str, said: Any) -> None:
    if what == "profile":
        board.profile = Profile.of(said)
    elif what == "faults":
        board.faults = [Fault(**raw) for raw in said]
    elif what == "script":
        script = Script.from_dict(said)
        await script.prepare()
        board.script = script
    elif what == "marked":
        board.marked = bool(said)
    else:
        board.reset()
