"""Hands a payment card to the project's tokeniser, and brings back a token.

    POST <address>  {"call": "…", "purpose": "card", "at": 1700000000,
                     "number": "…", "expiry": "MMYY", "code": "…"}
    Idempotency-Key: <the same for the second try>
    X-Contactcenter-Signature: t=<at>,v1=<hex HMAC-SHA256 of "<at>.<body>", the project's secret>
    200 {"token": "…", "brand": "visa"}

Only hosts named in TOKENISER_HOSTS are asked, over HTTPS (this machine also without), redirects are
not followed. The answer is foreign: a token which is or holds a card number is refused. What is
sent is built in one buffer, which is overwritten afterwards.
"""

import asyncio
import hashlib
import hmac
import json
import re
import time
import uuid
from dataclasses import dataclass
from urllib.parse import urlsplit

import aiohttp

from agents.card import Tokeniser, brand_of, passes_luhn
from agents.hosts import is_allowed
from agents.seal import SealBroken, unseal
from agents.worker.card_steps import Card, overwrite

LONGEST_S = 10.0  # a try, whatever a supervisor typed
TRIES = 2
MOST_BYTES = 4096
HERE = frozenset({"127.0.0.1", "localhost", "::1"})
_TOKEN = re.compile(r"[\w.:~+/=-]{1,200}")
_BRAND = re.compile(r"[A-Za-z][A-Za-z ]{0,19}")


class TokeniserFailed(Exception):
    """The text is for the call's page: no address, no payload."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    token: str
    last4: str
    brand: str


class _Again(Exception):
    """Nobody knows whether it was taken; the same key asks once more."""


async def ask(
    at: Tokeniser | None, card: Card, *, call: str, purpose: str,
    hosts: tuple[str, ...], seal_keys: list[str],
) -> Token:  # fmt: skip
    """Raises TokeniserFailed."""
    if at is None:
        raise TokeniserFailed("the project names no tokeniser")
    if not is_allowed(at.url, hosts):
        raise TokeniserFailed("its host is not in TOKENISER_HOSTS")
    if not is_safe(at.url):
        raise TokeniserFailed("its address is not https")
    try:
        secret = unseal(at.sealed_secret, keys=seal_keys)
    except SealBroken as reason:
        raise TokeniserFailed("its secret cannot be opened: enter it again") from reason
    key = uuid.uuid4().hex
    for left in reversed(range(TRIES)):
        try:
            return await _try(at, card, secret, key, call=call, purpose=purpose)
        except _Again as reason:
            if not left:
                raise TokeniserFailed(str(reason)) from None
    raise AssertionError


def is_safe(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme == "https" or parts.hostname in HERE


async def _try(
    at: Tokeniser, card: Card, secret: str, key: str, *, call: str, purpose: str
) -> Token:
    now = int(time.time())
    body = _body(card, {"call": call, "purpose": purpose, "at": now})
    headers = _signed(body, secret, now) | {"Idempotency-Key": key}
    try:
        async with asyncio.timeout(min(at.limit_ms / 1000, LONGEST_S)):
            return _token(await _answer(at.url, body, headers), card)
    except TimeoutError:
        raise _Again("the tokeniser was too late") from None
    except (aiohttp.ClientError, OSError) as reason:
        # from None: whatever a library keeps of the request must not end in a log
        raise _Again(f"the tokeniser was not reached ({type(reason).__name__})") from None
    finally:
        overwrite(body)


def _body(card: Card, facts: dict[str, object]) -> bytearray:
    """JSON, put together by hand: json.dumps would leave copies of the digits in memory."""
    body = bytearray(json.dumps(facts).encode()[:-1])
    for name in ("number", "expiry", "code"):
        body += f', "{name}": "'.encode()
        body += getattr(card, name)
        body += b'"'
    body += b"}"
    return body


def _signed(body: bytearray, secret: str, at: int) -> dict[str, str]:
    mac = hmac.new(secret.encode(), f"{at}.".encode(), hashlib.sha256)
    mac.update(body)
    return {
        "Content-Type": "application/json",
        "X-Contactcenter-Signature": f"t={at},v1={mac.hexdigest()}",
    }


async def _answer(url: str, body: bytearray, headers: dict[str, str]) -> bytes:
    async with (
        aiohttp.ClientSession(trust_env=False) as http,
        http.post(url, data=body, headers=headers, allow_redirects=False) as answer,
    ):
        if answer.status >= 500 or answer.status == 429:
            raise _Again(f"the tokeniser answered with status {answer.status}")
        if answer.status not in {200, 201}:
            raise TokeniserFailed(f"the tokeniser answered with status {answer.status}")
        text = bytearray()
        while len(text) <= MOST_BYTES and (piece := await answer.content.read(MOST_BYTES + 1)):
            text += piece
        return bytes(text)


def _token(text: bytes, card: Card) -> Token:
    try:
        raw = json.loads(text)
        token, brand = raw["token"], raw.get("brand", "")
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise TokeniserFailed("the tokeniser answered without a token") from None
    if not isinstance(token, str) or not _TOKEN.fullmatch(token) or _is_card(token, card):
        raise TokeniserFailed("the tokeniser answered with what is no token")
    if not isinstance(brand, str) or not _BRAND.fullmatch(brand):
        brand = brand_of(card.number)
    return Token(token=token, last4=card.number[-4:].decode(), brand=brand.lower())


def _is_card(token: str, card: Card) -> bool:
    """A number which only looks like a card could not be told from one in a journal."""
    digits = "".join(c for c in token if c.isdecimal() and c.isascii())
    return card.number in digits.encode() or (
        len(digits) == len(token) and passes_luhn([int(c) for c in digits])
    )
