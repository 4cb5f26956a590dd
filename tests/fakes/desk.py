"""The control plane's /internal in memory, with its rules kept, and a store to upload to."""

import asyncio
import hashlib
from typing import Any, Self

from aiohttp import web

from agents.entries import Entry

TOKEN = "a-token"


class FakeDesk:
    """Runs on a free port of the loopback in the loop of the test."""

    def __init__(self) -> None:
        self.plans: dict[str, str] = {}
        self.entries: dict[str, dict[int, Entry]] = {}
        self.rooms: dict[str, str] = {}
        self.recordings: dict[int, dict[str, Any]] = {}
        self.objects: dict[str, bytes] = {}
        self.wishes: list[dict[str, Any]] = []  # providers to try, not handed out yet
        self.trials: dict[int, dict[str, Any] | None] = {}  # handed out, and what came of them
        self.questions: list[dict[str, Any]] = []  # about finished calls, not handed out yet
        self.analyses: dict[int, dict[str, Any] | None] = {}  # handed out, and what came of them
        self.given_back: list[int] = []
        self.entrances: dict[str, Any] = {"numbers": {}, "others": {}, "whole": True}
        self.asked: list[dict[str, str]] = []  # about ringing calls
        self.slow_s = 0.0  # so long an answer about a ringing call takes
        self.orders: dict[int, dict[str, Any]] = {}  # calls to make, not told yet
        self.away = False  # answers 503 to everything
        self.lost_answers = 0  # so many answers to journals get lost after they were stored
        self.store_away = False
        self.refuses_journals = False
        self.erased: set[str] = set()  # rooms
        self.port = 0

    async def __aenter__(self) -> Self:
        self._runner = web.AppRunner(self._app(), access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port)
        await site.start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def entries_of(self, journal: str) -> list[Entry]:
        return [entry for _, entry in sorted(self.entries.get(journal, {}).items())]

    def _app(self) -> web.Application:
        app = web.Application(middlewares=[self._guard])
        app.router.add_get("/internal/plans/", self._live)
        app.router.add_get("/internal/plans/{digest}", self._plan)
        app.router.add_post("/internal/plans/trials", self._hand_out)
        app.router.add_post("/internal/plans/trials/{id}", self._tried)
        app.router.add_post("/internal/analyses", self._hand_out_questions)
        app.router.add_post("/internal/analyses/{id}", self._analysed)
        app.router.add_post("/internal/analyses/{id}/back", self._given_back)
        app.router.add_get("/store/{id}", self._get)
        app.router.add_post("/internal/entrance", self._entrance)
        app.router.add_post("/internal/outbound/{id}/claim", self._claim)
        app.router.add_post("/internal/journal", self._journal)
        app.router.add_post("/internal/erased", self._which_are_erased)
        app.router.add_post("/internal/recordings", self._recording)
        app.router.add_post("/internal/recordings/{id}/uploaded", self._uploaded)
        app.router.add_put("/store/{id}", self._put)
        return app

    @web.middleware
    async def _guard(self, request: web.Request, handler: Any) -> web.StreamResponse:
        if self.away:
            return web.json_response({"error": "away"}, status=503)
        if request.path.startswith("/internal"):
            if request.headers.get("Authorization") != f"Bearer {TOKEN}":
                return web.json_response({"error": "token"}, status=401)
        elif self.store_away:
            return web.Response(status=503)
        answer: web.StreamResponse = await handler(request)
        return answer

    async def _live(self, _: web.Request) -> web.Response:
        return web.json_response({"plans": sorted(self.plans)})

    async def _plan(self, request: web.Request) -> web.Response:
        body = self.plans.get(request.match_info["digest"])
        if body is None:
            return web.json_response({"error": "no such plan"}, status=404)
        return web.Response(text=body, content_type="application/json")

    async def _entrance(self, request: web.Request) -> web.Response:
        self.asked.append(await request.json())
        await asyncio.sleep(self.slow_s)
        return web.json_response(self.entrances)

    async def _hand_out(self, _: web.Request) -> web.Response:
        """One at a time, each once."""
        given, self.wishes = self.wishes[:1], self.wishes[1:]
        self.trials |= {wish["id"]: None for wish in given}
        return web.json_response({"trials": given})

    async def _tried(self, request: web.Request) -> web.Response:
        number, said = int(request.match_info["id"]), await request.json()
        if number not in self.trials:
            return web.json_response({"error": "no such trial"}, status=404)
        if self.trials[number] is not None:
            return web.json_response({"error": "it is over"}, status=409)
        shape = {name: type(value).__name__ for name, value in said.items()}
        if shape != {"ok": "bool", "ms": "int", "text": "str", "error": "str", "wav": "str"}:
            return web.json_response({"error": f"no outcome: {shape}"}, status=400)
        self.trials[number] = said
        return web.json_response({"ok": said["ok"]})

    async def _hand_out_questions(self, _: web.Request) -> web.Response:
        """One at a time, each once."""
        given, self.questions = self.questions[:1], self.questions[1:]
        self.analyses |= {wish["id"]: None for wish in given}
        return web.json_response({"analyses": given})

    async def _analysed(self, request: web.Request) -> web.Response:
        number, said = int(request.match_info["id"]), await request.json()
        if number not in self.analyses:
            return web.json_response({"error": "no such analysis"}, status=404)
        if self.analyses[number] is not None:
            return web.json_response({"error": "it is over"}, status=409)
        self.analyses[number] = said
        return web.json_response({"ok": said["ok"]})

    async def _given_back(self, request: web.Request) -> web.Response:
        self.given_back.append(int(request.match_info["id"]))
        return web.json_response({"given_back": True})

    async def _get(self, request: web.Request) -> web.Response:
        held = self.objects.get(request.match_info["id"])
        return web.Response(status=404) if held is None else web.Response(body=held)

    async def _claim(self, request: web.Request) -> web.Response:
        """Each is told once."""
        order = self.orders.pop(int(request.match_info["id"]), None)
        if order is None:
            return web.json_response({"error": "dialled before"}, status=409)
        return web.json_response(order)

    async def _journal(self, request: web.Request) -> web.Response:
        said = await request.json()
        try:
            entries = [Entry.from_dict(raw) for raw in said["entries"]]
        except (ValueError, KeyError) as reason:
            return web.json_response({"error": str(reason)}, status=400)
        if said["room"] in self.erased:
            return web.json_response({"error": "erased"}, status=410)
        if self.refuses_journals:
            return web.json_response({"error": "malformed"}, status=400)
        held = self.entries.setdefault(said["journal"], {})
        self.rooms[said["journal"]] = said["room"]
        for entry in entries:
            held.setdefault(entry.n, entry)
        if self.lost_answers:
            self.lost_answers -= 1
            return web.Response(status=502)
        acked = -1
        while acked + 1 in held:
            acked += 1
        return web.json_response({"acked": acked})

    async def _which_are_erased(self, request: web.Request) -> web.Response:
        rooms = (await request.json())["rooms"]
        return web.json_response({"erased": [room for room in rooms if room in self.erased]})

    async def _recording(self, request: web.Request) -> web.Response:
        facts = await request.json()
        if facts["room"] in self.erased:
            return web.json_response({"error": "erased"}, status=410)
        number = next(
            (n for n, r in self.recordings.items() if r["journal"] == facts["journal"]), None
        )
        if number is None:
            number = len(self.recordings) + 1
            self.recordings[number] = {**facts, "state": "uploading"}
        if self.recordings[number]["state"] == "stored":
            return web.json_response({"id": number, "state": "stored"})
        target = {"url": f"{self.url}/store/{number}", "headers": {"Content-Type": "audio/ogg"}}
        return web.json_response({"id": number, "state": "uploading", "upload": target})

    async def _uploaded(self, request: web.Request) -> web.Response:
        number = int(request.match_info["id"])
        held = self.objects.get(str(number), b"")
        if hashlib.sha256(held).hexdigest() != self.recordings[number]["sha256"]:
            return web.json_response({"error": "the object is not whole"}, status=409)
        self.recordings[number]["state"] = "stored"
        return web.json_response({"state": "stored"})

    async def _put(self, request: web.Request) -> web.Response:
        self.objects[request.match_info["id"]] = await request.read()
        return web.Response()


async def wait_until(condition: Any, *, timeout_s: float = 5.0) -> None:
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110 - conditions of all kinds, no event to wait for
            await asyncio.sleep(0.01)
