"""Reads foreign values with care: bounded, and None for whatever cannot be read. Pure."""

import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import parse_qsl

from telephony.carriers import NotUnderstood

MOST_FIELDS = 200  # of a form; the longest documented one has about 40
DEAREST = Decimal(100_000)  # nobody's call costs more; what is above is no price
_PLACES = Decimal("0.000001")
_LONGEST_S = 7 * 24 * 3600


def form(body: bytes) -> dict[str, str]:
    """The parameters of a form; of one given twice, the last."""
    return dict(pairs(body))


def pairs(body: bytes) -> list[tuple[str, str]]:
    try:
        return parse_qsl(
            body.decode(), keep_blank_values=True, max_num_fields=MOST_FIELDS, strict_parsing=False
        )
    except ValueError as reason:  # not UTF-8, or too many
        raise NotUnderstood("The hook is no form that can be read.") from reason


def parsed(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as reason:
        raise NotUnderstood("The hook is no JSON that can be read.") from reason


def text(value: Any, longest: int = 128) -> str:
    """Without what a database or a page would choke on."""
    if not isinstance(value, str | int) or isinstance(value, bool):
        return ""
    return "".join(c for c in str(value)[: longest * 2] if c.isprintable()).strip()[:longest]


def number(value: Any) -> str:
    """Who is called, of a number or a SIP address; empty if withheld."""
    found = text(value, 255)
    if found.lower().startswith(("sip:", "sips:")):
        found = found.partition(":")[2].partition("@")[0].partition(";")[0]
    return "" if found.lower() in {"anonymous", "unavailable", "restricted"} else found[:64]


def whole(value: Any, *, lowest: int = 0, highest: int = 699) -> int | None:
    try:
        found = float(value) if not isinstance(value, bool) else math.nan
    except (TypeError, ValueError, OverflowError):
        return None
    return int(found) if math.isfinite(found) and lowest <= found <= highest else None


def seconds(value: Any) -> int | None:
    return whole(value, highest=_LONGEST_S)


def sip_status(value: Any) -> int | None:
    return whole(value, lowest=100)


def q850(value: Any) -> int | None:
    return whole(value, lowest=1, highest=127)


def money(value: Any) -> Decimal | None:
    """A charge. Carriers write it as text, as a number, and some as a negative one."""
    if not isinstance(value, str | int | float) or isinstance(value, bool):
        return None
    try:
        found = abs(Decimal(str(value).strip()[:40]))
    except InvalidOperation:
        return None
    return found.quantize(_PLACES) if found.is_finite() and found < DEAREST else None


def currency(value: Any) -> str:
    found = text(value, 3).upper()
    return found if len(found) == 3 and found.isalpha() and found.isascii() else ""


def moment(value: Any) -> datetime | None:
    """An ISO time with its zone, an RFC 2822 time, or Unix seconds. Without a zone nobody knows
    which time it is."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _epoch(value)
    told = text(value, 64)
    if not told:
        return None
    if told.isascii() and told.replace(".", "", 1).isdigit():
        return _epoch(float(told))
    for read in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            found = read(told)
        except (ValueError, TypeError, OverflowError):
            continue
        return found.astimezone(UTC) if found.tzinfo and _likely(found) else None
    return None


def naive(value: Any) -> datetime | None:
    """A time whose zone is not told: good for differences only."""
    try:
        found = datetime.fromisoformat(text(value, 64))
    except ValueError:
        return None
    return found.replace(tzinfo=None) if _likely(found) else None


def _epoch(value: float) -> datetime | None:
    try:
        found = datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return found if _likely(found) else None


def _likely(found: datetime) -> bool:
    """Also keeps sums with it inside what a datetime can hold."""
    return 2000 < found.year < 2100


def inner(value: Any, *path: str) -> Any:
    """What lies at a path of an object; None if there is no such thing."""
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value
