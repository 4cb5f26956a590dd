"""Words as values of a type: found in what was said, or given by a model. Pure: no Django.

What does not pass as its type is no value: None.
"""

import re
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal, InvalidOperation

import phonenumbers

from recordings.after_wants import MOST_VALUE, Field, Found

LARGEST = Decimal(10) ** 13
_CODES = ("EUR", "USD", "GBP", "JPY", "INR", "CHF", "PLN", "SEK", "AED")
MONEY = {code: code for code in _CODES} | {
    "€": "EUR", "$": "USD", "£": "GBP", "¥": "JPY", "₹": "INR",
    "euro": "EUR", "euros": "EUR", "dollar": "USD", "dollars": "USD", "pound": "GBP",
    "pounds": "GBP", "franken": "CHF",
}  # fmt: skip
MONTHS = (
    "january|januar", "february|februar", "march|märz", "april", "may|mai", "june|juni",
    "july|juli", "august", "september", "october|oktober", "november", "december|dezember",
)  # fmt: skip
YES = {"yes", "yeah", "yep", "sure", "correct", "right", "true", "ja", "genau", "richtig", "نعم"}
NO = {"no", "nope", "not", "never", "wrong", "false", "nein", "nicht", "kein", "لا"}
DAYS = {"today": 0, "heute": 0, "tomorrow": 1, "morgen": 1, "yesterday": -1, "gestern": -1}

_NUMBER = re.compile(r"(?<![\w.,])[-+]?\d{1,15}(?:[.,  ']\d{3})*(?:[.,]\d{1,6})?(?!\w)")
_UNIT = "|".join(sorted(map(re.escape, MONEY), key=len, reverse=True))
_MONEY = re.compile(
    rf"(?P<before>{_UNIT})\s{{0,2}}(?P<one>{_NUMBER.pattern})"
    rf"|(?P<two>{_NUMBER.pattern})\s{{0,2}}(?P<after>{_UNIT})(?!\w)", re.IGNORECASE,
)  # fmt: skip
_ISO = re.compile(r"(?<!\d)(\d{4})-(\d{1,2})-(\d{1,2})(?!\d)")
_DOTTED = re.compile(r"(?<!\d)(\d{1,2})\.\s?(\d{1,2})\.\s?(\d{4})(?!\d)")
_MONTH = "|".join(MONTHS)
_DAY_MONTH = re.compile(
    rf"(?<!\d)(\d{{1,2}})(?:st|nd|rd|th|\.)?\s(?:of\s)?({_MONTH})(?:,?\s(\d{{4}}))?\b",
    re.IGNORECASE,
)
_MONTH_DAY = re.compile(
    rf"\b({_MONTH})\s(\d{{1,2}})(?:st|nd|rd|th)?(?!\d)(?:,?\s(\d{{4}}))?", re.IGNORECASE
)
_EMAIL = re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,4}")
_SPOKEN_AT, _SPOKEN_DOT = re.compile(r"\s+at\s+", re.I), re.compile(r"\s+(?:dot|punkt)\s+", re.I)


def clean(text: object, most: int) -> str:
    """One line without what is not to be printed, cut at `most`."""
    words = "".join(c if c.isprintable() else " " for c in str(text))
    words = " ".join(words.encode(errors="replace").decode().split())
    return words if len(words) <= most else f"{words[: most - 1]}…"


def parse(field: Field, said: object, *, region: str = "", day: date | None = None) -> Found | None:
    """The first value of the field's type in some words (or a number, or a yes)."""
    if isinstance(said, bool):
        is_flag = field.type == "boolean"
        return Found(name=field.name, type=field.type, flag=said) if is_flag else None
    if said is None or not isinstance(said, str | int | float):
        return None
    text = clean(said, 2000)
    return next(_values(field, text, region, day), None) if text else None


def _values(field: Field, text: str, region: str, day: date | None) -> Iterator[Found]:
    kind, name = field.type, field.name
    if kind == "text":
        yield Found(name=name, type=kind, text=clean(text, MOST_VALUE))
    elif kind == "number":
        for match in _NUMBER.finditer(text):
            if (number := decimal(match[0])) is not None:
                yield Found(name=name, type=kind, number=number)
    elif kind == "money":
        yield from _money(name, text)
    elif kind == "date":
        yield from (Found(name=name, type=kind, day=found) for found in dates(text, day))
    elif kind == "boolean":
        yield from (Found(name=name, type=kind, flag=flag) for flag in _flags(text))
    elif kind == "choice":
        if chosen := _choice(field.choices, text):
            yield Found(name=name, type=kind, text=chosen[:MOST_VALUE])
    elif kind == "phone":
        yield from (Found(name=name, type=kind, text=found) for found in phones(text, region))
    elif kind == "email":
        yield from (Found(name=name, type=kind, text=found) for found in emails(text))


def decimal(text: str) -> Decimal | None:
    """“1,234.50” and “1.234,50” alike; “1,234” is a thousand, “1,5” is one and a half."""
    text = re.sub(r"[  ' ]", "", text)
    point, comma = text.rfind("."), text.rfind(",")
    if point >= 0 and comma >= 0:
        thousands, mark = (",", ".") if point > comma else (".", ",")
        text = text.replace(thousands, "").replace(mark, ".")
    elif comma >= 0:
        groups = re.fullmatch(r"[-+]?\d{1,3}(,\d{3})+", text)
        text = text.replace(",", "" if groups else ".", -1 if groups else 1)
    elif text.count(".") > 1:
        text = text.replace(".", "")
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    fits = number.is_finite() and abs(number) < LARGEST
    return number.quantize(Decimal("0.000001")).normalize() if fits else None


def _money(name: str, text: str) -> Iterator[Found]:
    for match in _MONEY.finditer(text):
        unit = match["before"] or match["after"]
        number = decimal(match["one"] or match["two"])
        currency = MONEY.get(unit) or MONEY.get(unit.lower()) or MONEY.get(unit.upper(), "")
        if number is not None:
            yield Found(name=name, type="money", number=number, text=currency)


def dates(text: str, day: date | None) -> Iterator[date]:
    for match in _ISO.finditer(text):
        yield from _date(match[1], match[2], match[3])
    for match in _DOTTED.finditer(text):
        yield from _date(match[3], match[2], match[1])
    for match in _DAY_MONTH.finditer(text):
        yield from _named(match[3], match[2], match[1], day)
    for match in _MONTH_DAY.finditer(text):
        yield from _named(match[3], match[1], match[2], day)
    if day:
        for word in re.findall(r"\w+", text.casefold()):
            if word in DAYS:
                yield day + timedelta(days=DAYS[word])


def _named(year: str | None, month: str, of_month: str, day: date | None) -> Iterator[date]:
    number = next(n for n, names in enumerate(MONTHS, 1) if month.casefold() in names.split("|"))
    for found in _date(year or (day.year if day else 0), number, of_month):
        # without a year the next such day is meant
        passed = not year and day is not None and found < day
        yield from _date(found.year + passed, number, of_month)


def _date(year: object, month: object, of_month: object) -> Iterator[date]:
    try:
        found = date(int(str(year)), int(str(month)), int(str(of_month)))
    except ValueError:
        return
    if 1900 <= found.year < 2200:
        yield found


def _flags(text: str) -> Iterator[bool]:
    for word in re.findall(r"\w+", text.casefold()):
        if word in YES or word in NO:
            yield word in YES


def _choice(choices: tuple[str, ...], text: str) -> str:
    """The choice which is named first; of two at the same place the longer one."""
    places = [(place, -len(one), one) for one in choices if (place := where(one, text)) >= 0]
    return min(places)[2] if places else ""


def where(phrase: str, text: str) -> int:
    """Where a phrase stands as words of their own, in any case and script; -1: nowhere."""
    wanted, said = phrase.casefold(), text.casefold()
    at = said.find(wanted) if wanted else -1
    while at >= 0:
        before, after = said[at - 1 : at], said[at + len(wanted) : at + len(wanted) + 1]
        inside = (before.isalnum() and wanted[0].isalnum()) or (
            after.isalnum() and wanted[-1].isalnum()
        )
        if not inside:
            return at
        at = said.find(wanted, at + 1)
    return -1


def phones(text: str, region: str) -> Iterator[str]:
    for match in phonenumbers.PhoneNumberMatcher(text, region or None):
        yield phonenumbers.format_number(match.number, phonenumbers.PhoneNumberFormat.E164)


def emails(text: str) -> Iterator[str]:
    """Also as it is said: “ann at example dot com”."""
    for words in (text, _SPOKEN_DOT.sub(".", _SPOKEN_AT.sub("@", text))):
        for match in _EMAIL.finditer(words):
            if len(match[0]) <= MOST_VALUE:
                yield match[0].lower().strip(".")
