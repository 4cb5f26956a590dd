"""HTTP client of the control plane's /internal, and of the upload addresses it hands out."""

from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp

TIMEOUT_S = 5.0
UPLOAD_TIMEOUT_S = 120.0
GONE = 410


class DeskAway(Exception):
    """No answer, or an answer which says: try again later."""


class DeskRefused(Exception):
    """The control plane says no. Trying again will not help."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(f"The control plane refused ({status}): {reason}")
        self.status = status


class DeskForgets(DeskRefused):
    """This call was erased, or is kept no longer: what is left of it is to be thrown away."""


class Desk:
    """One connection pool. Use as an async context manager."""

    def __init__(self, url: str, token: str, *, timeout_s: float = TIMEOUT_S) -> None:
        self._url = url
        self._headers = {"Authorization": f"Bearer {token}"}
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._http: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._http = aiohttp.ClientSession(timeout=self._timeout, trust_env=False)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        if self._http:
            await self._http.close()

    async def live_plans(self) -> list[str]:
        found = await self._json("GET", "/internal/plans/")
        return [str(digest) for digest in found.get("plans", [])]

    async def plan(self, digest: str) -> str:
        return (await self._call("GET", f"/internal/plans/{digest}")).decode()

    async def journal(self, *, journal: str, room: str, entries: list[dict[str, Any]]) -> int:
        """Number of the last entry the control plane holds without a gap; -1 for none."""
        body = {"journal": journal, "room": room, "entries": entries}
        return int((await self._json("POST", "/internal/journal", body))["acked"])

    async def recording(self, facts: dict[str, Any]) -> dict[str, Any]:
        return await self._json("POST", "/internal/recordings", facts)

    async def uploaded(self, recording_id: int, *, sha256: str) -> None:
        """Says which file: of two workers with one call, neither speaks for the other."""
        body = {"sha256": sha256}
        await self._json("POST", f"/internal/recordings/{recording_id}/uploaded", body)

    async def erased(self, rooms: list[str]) -> list[str]:
        """Which of these rooms' calls were erased."""
        found = await self._json("POST", "/internal/erased", {"rooms": rooms})
        return [str(room) for room in found.get("erased", [])]

    async def may_transfer(self, question: dict[str, Any]) -> dict[str, Any]:
        """`{"room", "destination"}`, or `{"room", "order"}`, which also takes the order."""
        return await self._json("POST", "/internal/transfers", question)

    async def pause_order(self, question: dict[str, Any]) -> dict[str, Any]:
        """`{"room", "order"}`: takes an order to pause a recording, or to let it go on."""
        return await self._json("POST", "/internal/pauses", question)

    async def pause_egress(self, question: dict[str, Any]) -> dict[str, Any]:
        """`{"room", "what": begin | end}`; done: LiveKit's egress has stopped, or goes on."""
        return await self._json("POST", "/internal/recordings/pause", question)

    async def entrance(self, *, plan: str, caller: str, called: str = "") -> dict[str, Any]:
        """What is done with a ringing call, by the number dialled (telephony/entrance.py)."""
        asked = {"plan": plan, "caller": caller, "called": called}
        return await self._json("POST", "/internal/entrance", asked)

    async def trials(self) -> list[dict[str, Any]]:
        """Providers a supervisor wants tried; each is handed out once."""
        return list((await self._json("POST", "/internal/plans/trials", {})).get("trials", []))

    async def tried(self, trial_id: int, outcome: dict[str, Any]) -> None:
        await self._json("POST", f"/internal/plans/trials/{trial_id}", outcome)

    async def analyses(self) -> list[dict[str, Any]]:
        """Questions about finished calls (recordings/analyses.py); each is handed out once."""
        return list((await self._json("POST", "/internal/analyses", {})).get("analyses", []))

    async def analysed(self, number: int, outcome: dict[str, Any]) -> None:
        await self._json("POST", f"/internal/analyses/{number}", outcome)

    async def give_back(self, number: int) -> None:
        """Somebody else may answer it."""
        await self._json("POST", f"/internal/analyses/{number}/back", {})

    async def claim(self, outbound_id: int, room: str) -> dict[str, Any]:
        """Whom to dial (agents.order); told once. Raises DeskRefused if nobody is to be dialled."""
        return await self._json("POST", f"/internal/outbound/{outbound_id}/claim", {"room": room})

    async def put(self, url: str, headers: dict[str, str], file: Path) -> None:
        """Raises DeskAway on whatever is not success: addresses expire, stores go away."""
        assert self._http is not None
        try:
            with file.open("rb") as body:
                async with self._http.put(
                    url, data=body, headers={**headers, "Content-Length": str(file.stat().st_size)},
                    timeout=aiohttp.ClientTimeout(total=UPLOAD_TIMEOUT_S),
                ) as answer:  # fmt: skip
                    if answer.status >= 300:
                        raise DeskAway(f"The store answered {answer.status}.")
        except (aiohttp.ClientError, TimeoutError) as reason:
            raise DeskAway("The store does not answer.") from reason

    async def get(self, url: str, file: Path, *, most: int) -> None:
        """Bring an object from the store. Raises DeskAway on whatever is not success."""
        assert self._http is not None
        timeout = aiohttp.ClientTimeout(total=UPLOAD_TIMEOUT_S)
        try:
            async with self._http.get(url, timeout=timeout) as answer:
                if answer.status != 200:
                    raise DeskAway(f"The store answered {answer.status}.")
                with file.open("wb") as body:
                    async for piece in answer.content.iter_chunked(1 << 16):
                        body.write(piece)
                        if body.tell() > most:
                            raise DeskAway("The recording is too large.")
        except (aiohttp.ClientError, TimeoutError) as reason:
            raise DeskAway("The store does not answer.") from reason

    async def _json(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        import json

        try:
            found = json.loads(await self._call(method, path, body))
        except ValueError as reason:
            raise DeskAway("The control plane's answer is no JSON.") from reason
        if not isinstance(found, dict):
            raise DeskAway("The control plane's answer is no object.")
        return found

    async def _call(self, method: str, path: str, body: object = None) -> bytes:
        assert self._http is not None
        try:
            async with self._http.request(
                method, self._url + path, json=body, headers=self._headers, allow_redirects=False
            ) as answer:
                text = await answer.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as reason:
            raise DeskAway("The control plane does not answer.") from reason
        if answer.status == GONE:
            raise DeskForgets(GONE, text.decode(errors="replace")[:300])
        if answer.status in {400, 404, 409, 413, 422}:
            raise DeskRefused(answer.status, text.decode(errors="replace")[:300])
        if answer.status >= 300:
            # 401 too: a wrong token is put right by an operator, and then nothing may be lost
            raise DeskAway(f"The control plane answered {answer.status}.")
        return text
