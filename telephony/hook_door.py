"""Posts to receivers of webhooks: the only place which speaks to addresses others have chosen.

The name is resolved here and the connection goes to the address which was checked, so that a
second look at the DNS cannot lead elsewhere. Redirects are not followed, proxies of the environment
not used, and of the answer nothing but its status is read.
"""

import asyncio
import socket
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import lru_cache
from http import HTTPStatus
from ipaddress import ip_address
from time import time
from urllib.parse import urlsplit

import httpx

from telephony.hook_address import Address, Forbidden, check_addresses

TIMEOUT_S = 10  # for all of it: name, connection, answer


@dataclass(frozen=True, slots=True)
class Outcome:
    """`status` is None if nobody answered; `error` is empty if it was taken."""

    status: int | None
    error: str = ""
    retry_after_s: int = 0


def post(
    url: str,
    *,
    body: bytes,
    headers: Mapping[str, str],
    private: Sequence[str],
    timeout_s: float = TIMEOUT_S,
) -> Outcome:
    """Post once. Raises nothing: what went wrong is in the outcome."""
    try:
        return asyncio.run(
            asyncio.wait_for(_post(url, body, dict(headers), private), timeout=timeout_s)
        )
    except TimeoutError:
        return Outcome(None, f"Nobody answered within {timeout_s:g} s.")
    except Forbidden as reason:
        return Outcome(None, str(reason))
    except socket.gaierror:
        return Outcome(None, "The host's name is not known. Look at the address.")
    except (httpx.HTTPError, httpx.InvalidURL, OSError, UnicodeError) as trouble:
        return Outcome(None, f"It could not be reached ({type(trouble).__name__}).")


async def _post(url: str, body: bytes, headers: dict[str, str], private: Sequence[str]) -> Outcome:
    target = httpx.URL(url)
    addresses = await _resolve(url)
    check_addresses(url, addresses, private=private)
    headers |= {"Host": target.netloc.decode("ascii"), "Content-Type": "application/json"}
    async with _client() as client:
        for address in addresses[:-1]:
            try:
                return await _post_to(client, target, address, body, headers)
            except httpx.ConnectError:
                continue
        return await _post_to(client, target, addresses[-1], body, headers)


def _client() -> httpx.AsyncClient:
    return httpx.AsyncClient(
        verify=_trust(), trust_env=False, follow_redirects=False, timeout=TIMEOUT_S
    )


@lru_cache(maxsize=1)
def _trust() -> ssl.SSLContext:
    """Reading the CA bundle takes 0.1 s of CPU: once a process."""
    return httpx.create_ssl_context(trust_env=False)


async def _post_to(
    client: httpx.AsyncClient,
    target: httpx.URL,
    address: Address,
    body: bytes,
    headers: dict[str, str],
) -> Outcome:
    """The certificate is checked against the name, whatever the address."""
    async with client.stream(
        "POST",
        target.copy_with(host=str(address)),
        content=body,
        headers=headers,
        extensions={"sni_hostname": target.raw_host.decode("ascii")},
    ) as answer:
        return _outcome(answer)


async def _resolve(url: str) -> list[Address]:
    parts = urlsplit(url)
    found = await asyncio.get_running_loop().getaddrinfo(
        parts.hostname, parts.port or parts.scheme, type=socket.SOCK_STREAM
    )
    return list(dict.fromkeys(ip_address(entry[4][0]) for entry in found))


def _outcome(answer: httpx.Response) -> Outcome:
    status = answer.status_code
    if answer.is_success:
        return Outcome(status)
    if answer.is_redirect:
        return Outcome(status, f"It answered {status}: it has moved. Write the new address.")
    try:
        words = f" {HTTPStatus(status).phrase}"
    except ValueError:
        words = ""
    return Outcome(
        status, f"It answered {status}{words}.", _seconds(answer.headers.get("Retry-After", ""))
    )


def _seconds(retry_after: str) -> int:
    """Of a Retry-After, in either of its forms; 0 if there is none one can read."""
    if retry_after.isascii() and retry_after.isdigit() and len(retry_after) < 9:
        return int(retry_after)
    try:
        return max(0, round(parsedate_to_datetime(retry_after).timestamp() - time()))
    except (ValueError, TypeError, OverflowError):
        return 0
