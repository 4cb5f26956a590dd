"""Somebody who keeps cards: checks the signature, and answers one key with one token."""

import hashlib
import hmac
import json
from types import TracebackType
from typing import Any, Self

from aiohttp import web

SECRET = "tokeniser-secret"


class FakeTokeniser:
    def __init__(self, secret: str = SECRET, *, port: int = 0) -> None:
        self._secret, self._port = secret, port
        self.taken: dict[str, dict[str, Any]] = {}  # by Idempotency-Key
        self.asked = 0
        self.says: dict[str, Any] | None = None  # instead of a token
        self.fails = 0  # so many requests are answered 503 after they were taken
        self.status = 200

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_post("/cards", self._take)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/cards"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:  # fmt: skip
        await self._runner.cleanup()

    async def _take(self, request: web.Request) -> web.Response:
        self.asked += 1
        body = await request.read()
        told = dict(
            part.split("=") for part in request.headers["X-Contactcenter-Signature"].split(",")
        )
        signed = f"{told['t']}.".encode() + body
        right = hmac.new(self._secret.encode(), signed, hashlib.sha256).hexdigest()
        if not hmac.compare_digest(right, told["v1"]):
            return web.Response(status=401)
        self.taken.setdefault(request.headers["Idempotency-Key"], json.loads(body))
        if self.fails:
            self.fails -= 1
            return web.Response(status=503)
        if self.status != 200:
            return web.Response(status=self.status, text=body.decode())
        return web.json_response(self.says or {"token": "tok_7f3a", "brand": "Visa"})
