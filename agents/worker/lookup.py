"""Asks the company's own system who a caller is: one signed request, one small JSON object.

    POST <address>  {"call": "…", "caller": "+1…", "called": "+1…", "at": 1700000000}
    X-Contactcenter-Signature: t=<at>,v1=<hex HMAC-SHA256 of "<at>.<body>", the number's secret>

Only hosts named in LOOKUP_HOSTS are asked, redirects are not followed, and the answer is foreign
text (agents/entrance.py bounds it).
"""

import asyncio
import hashlib
import hmac
import json
import time
from dataclasses import asdict, dataclass

import aiohttp

from agents.entrance import MOST_BYTES, Lookup, facts_in
from agents.hosts import is_allowed
from agents.seal import SealBroken, unseal

LONGEST_S = 5.0  # whatever a supervisor typed


class LookupFailed(Exception):
    """The text is for the call's page: no address, no payload."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    call: str
    caller: str
    called: str


async def ask(
    at: Lookup, asked: Asked, *, hosts: tuple[str, ...], seal_keys: list[str]
) -> dict[str, str]:
    """Raises LookupFailed."""
    if not is_allowed(at.url, hosts):
        raise LookupFailed("its host is not in LOOKUP_HOSTS")
    try:
        secret = unseal(at.sealed_secret, keys=seal_keys)
        async with asyncio.timeout(min(at.limit_ms / 1000, LONGEST_S)):
            return facts_in(await _answer(at.url, secret, asked))
    except TimeoutError as late:
        raise LookupFailed("too late") from late
    except SealBroken as reason:
        raise LookupFailed("its secret cannot be opened: enter it again") from reason
    except (aiohttp.ClientError, OSError) as reason:
        raise LookupFailed(f"not reached ({type(reason).__name__})") from reason
    except ValueError as reason:
        raise LookupFailed(f"answered {reason}") from reason


def signed(body: bytes, secret: str, at: int) -> dict[str, str]:
    mac = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return {
        "Content-Type": "application/json",
        "X-Contactcenter-Signature": f"t={at},v1={mac}",
    }


async def _answer(url: str, secret: str, asked: Asked) -> bytes:
    """Raises ValueError for an answer which is none."""
    at = int(time.time())
    body = json.dumps({**asdict(asked), "at": at}).encode()
    async with (
        aiohttp.ClientSession(trust_env=False) as http,
        http.post(
            url, data=body, headers=signed(body, secret, at), allow_redirects=False
        ) as answer,
    ):
        if answer.status != 200:
            raise ValueError(f"with status {answer.status}")
        text = bytearray()  # read() gives what is there, not all there is
        while len(text) <= MOST_BYTES and (piece := await answer.content.read(MOST_BYTES + 1)):
            text += piece
        return bytes(text)
