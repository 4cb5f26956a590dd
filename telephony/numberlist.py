"""An uploaded list of numbers to call: CSV as spreadsheets write it, bounded. Pure.

The first line names the columns. `number` must be there, `consent` may be (yes or no); all others
become variables of the call's texts.
"""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass, field

from telephony import shapes
from telephony.shapes import Misshapen

MOST_BYTES = 2 * 1024 * 1024
MOST_LINES = 10_000
MOST_VARIABLES, LONGEST_VARIABLE = 20, 200
NUMBER, CONSENT = "number", "consent"
_YES = {"yes", "y", "true", "1", "x", "ja", "oui"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of the file: a number to call, or what is wrong with it."""

    line: int  # as an editor counts
    number: str = ""
    consent: bool = False
    variables: dict[str, str] = field(default_factory=dict)
    error: str = ""


def read(data: bytes) -> list[Line]:
    """Every line, good or bad; a number which came before is bad. Raises Misshapen for a file which
    is none."""
    if len(data) > MOST_BYTES:
        raise Misshapen(f"The file is larger than {MOST_BYTES // 1024} KiB. Split it.")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as reason:
        raise Misshapen("The file is not in UTF-8. Save it as “CSV UTF-8”.") from reason
    rows = csv.DictReader(io.StringIO(text.replace("\0", "")), delimiter=_delimiter(text))
    names = [str(name).strip().lower() for name in rows.fieldnames or []]
    _check(names)
    rows.fieldnames = names
    try:
        return list(_without_doubles(_lines(rows)))
    except csv.Error as reason:
        raise Misshapen(f"Line {rows.line_num} cannot be read as CSV ({reason}).") from reason


def _delimiter(text: str) -> str:
    first = text.partition("\n")[0]
    return max(",;\t", key=first.count)


def _check(names: list[str]) -> None:
    if NUMBER not in names:
        raise Misshapen("The first line must name the columns, and one of them “number”.")
    variables = [name for name in names if name not in {NUMBER, CONSENT}]
    wrong = [name for name in variables if not name.isidentifier() or len(name) > 40]
    if wrong:
        raise Misshapen(
            f"“{wrong[0][:40]}” cannot be a column. Use words of letters, digits and _ only."
        )
    if len(set(names)) < len(names):
        raise Misshapen("Two columns have the same name. Rename one.")
    if len(variables) > MOST_VARIABLES:
        raise Misshapen(f"There are more than {MOST_VARIABLES} columns. Leave some out.")


def _lines(rows: "csv.DictReader[str]") -> Iterator[Line]:
    for count, row in enumerate(rows):
        if count >= MOST_LINES:
            raise Misshapen(f"The file has more than {MOST_LINES} lines. Split it.")
        yield _line(rows.line_num, row)


def _line(number: int, row: dict[str, str]) -> Line:
    if None in row:  # type: ignore[comparison-overlap]
        return Line(line=number, error="It has more fields than the first line names.")
    values = {name: " ".join((value or "").split()) for name, value in row.items()}
    try:
        e164 = shapes.e164(values.pop(NUMBER)[:64])
    except Misshapen as reason:
        return Line(line=number, error=str(reason))
    consent = values.pop(CONSENT, "").lower() in _YES
    if long := [name for name, value in values.items() if len(value) > LONGEST_VARIABLE]:
        error = f"“{long[0]}” is longer than {LONGEST_VARIABLE} characters."
        return Line(line=number, number=e164, error=error)
    return Line(line=number, number=e164, consent=consent, variables=values)


def _without_doubles(lines: Iterator[Line]) -> Iterator[Line]:
    seen: dict[str, int] = {}
    for line in lines:
        if line.error or line.number not in seen:
            seen.setdefault(line.number, line.line)
            yield line
        else:
            error = f"{line.number} is in line {seen[line.number]} already."
            yield Line(line=line.line, number=line.number, error=error)
