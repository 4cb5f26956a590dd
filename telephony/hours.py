"""When a line is open: opening hours in the notation of OpenStreetMap. Pure.

As `Mo-Fr 09:00-18:00; Sa 10:00-14:00; PH off` (PH: public holidays of the country). The notation,
its holidays and daylight saving are the library's: https://wiki.openstreetmap.org/wiki/Key:opening_hours
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from opening_hours import (  # type: ignore[attr-defined]  # its types forget the errors
    OpeningHours,
    ParserError,
    UnknownCountryError,
)

from telephony.shapes import Misshapen

_UTC = ZoneInfo("UTC")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hours:
    expression: str
    timezone: str  # IANA name, as Europe/Berlin
    country: str = ""  # ISO 3166 code whose public holidays PH means; empty: PH means nothing
    closed_on: tuple[date, ...] = ()


def is_open(hours: Hours, at: datetime) -> bool:
    """Raises Misshapen if the hours cannot be read."""
    return bool(_parsed(hours).is_open(_known(at)))


def next_change(hours: Hours, at: datetime) -> datetime | None:
    """When it opens or closes next; None if never. Raises Misshapen."""
    change: datetime | None = _parsed(hours).next_change(_known(at))
    return change


def check(hours: Hours) -> None:
    """Raises Misshapen with words for the person who typed it."""
    _parsed(hours)


def _parsed(hours: Hours) -> OpeningHours:
    try:
        zone = ZoneInfo(hours.timezone)
    except (KeyError, ValueError, OSError) as reason:
        raise Misshapen(
            f"“{hours.timezone}” is no time zone. Write one as Europe/Berlin."
        ) from reason
    text = "; ".join([hours.expression, *_days_off(hours.closed_on)])
    try:
        return OpeningHours(text, timezone=zone, country=hours.country or None)
    except ParserError as reason:
        raise Misshapen(
            f"“{hours.expression}” cannot be read as opening hours. "
            f"Write them as “Mo-Fr 09:00-18:00; Sa 10:00-14:00; PH off”, or “24/7”."
        ) from reason
    except UnknownCountryError as reason:
        raise Misshapen(f"“{hours.country}” is no country code. Write one as DE or US.") from reason


def _days_off(days: Iterable[date]) -> list[str]:
    return [f"{day:%Y %b %d} off" for day in sorted(days)]


def _known(at: datetime) -> datetime:
    """The library takes zones with a name only."""
    return at.astimezone(_UTC)
