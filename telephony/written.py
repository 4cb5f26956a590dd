"""All ways in which one number is written: to find it, and to take it out of text. Pure."""

import re
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import quote

import phonenumbers
from phonenumbers import PhoneNumberFormat

from telephony import shapes

GONE = "[erased]"
SHORTEST = 7  # digits of a number without its country; fewer would be found in everything
_FORMATS = (
    PhoneNumberFormat.E164,
    PhoneNumberFormat.INTERNATIONAL,
    PhoneNumberFormat.NATIONAL,
    PhoneNumberFormat.RFC3966,
)
# what may stand between two digits: blanks, hyphens, dots, slashes, brackets, and their codes
_BETWEEN = r"(?:[\s\-.()/\u00a0\u2010-\u2015]|%20|%28|%29|%2F){0,3}"


@dataclass(frozen=True)
class Written:
    """One number, or the name of a telephone which has none, as somebody's SIP user."""

    text: str  # +12025550123, or the name as it stands on the calls

    @classmethod
    def of(cls, typed: str) -> "Written":
        """Raises Misshapen for what is neither a number nor a name."""
        typed = typed.strip()
        if re.fullmatch(r"[^\W\d][\w.@-]{2,63}", typed):
            return cls(typed)
        return cls(shapes.e164(typed))

    @property
    def is_number(self) -> bool:
        return self.text.startswith("+")

    @cached_property
    def exact(self) -> tuple[str, ...]:
        """As it may stand alone in a field: what carriers send."""
        if not self.is_number:
            return (self.text,)
        digits, home = self.text[1:], self._home
        found = [self.text, digits, f"00{digits}", f"011{digits}"]
        found += [phonenumbers.format_number(self._parsed, kind) for kind in _FORMATS]
        if len(home) >= SHORTEST:
            found += [home, f"0{home}"]
        return tuple(dict.fromkeys(found))

    @cached_property
    def pattern(self) -> "re.Pattern[str]":
        """In text, with whatever stands between the digits, and not as a part of a longer one."""
        if not self.is_number:
            return re.compile(rf"(?<![\w.-]){re.escape(self.text)}(?![\w-])")
        country = str(self._parsed.country_code)
        ways = [rf"(?:\+|%2B|00|011)?{_BETWEEN}{_spaced(country)}{_BETWEEN}(?:\(0\))?{_BETWEEN}"]
        if len(self._home) >= SHORTEST:
            ways.append(rf"0?{_BETWEEN}")
        return re.compile(rf"(?<![0-9])(?:{'|'.join(ways)})\(?{_spaced(self._home)}(?![0-9])")

    @cached_property
    def hints(self) -> tuple[str, ...]:
        """Pieces one of which stands in every text with the number, for a LIKE in the database.
        What people write with blanks in unusual places has only the last of them: `pattern`
        decides."""
        if not self.is_number:
            return (self.text,)
        written = [phonenumbers.format_number(self._parsed, kind) for kind in _FORMATS]
        pieces = [self._home, *(re.split(r"\D+", one)[-1] for one in written)]
        return tuple(dict.fromkeys(piece for piece in [*pieces, *written] if len(piece) >= 4))

    def needles(self) -> tuple[str, ...]:
        """For a scan which knows no patterns."""
        return (*self.exact, quote(self.text, safe="")) if self.is_number else self.exact

    def is_in(self, text: str) -> bool:
        return self.pattern.search(text) is not None

    def out_of(self, text: str) -> str:
        return self.pattern.sub(GONE, text)

    @cached_property
    def _parsed(self) -> phonenumbers.PhoneNumber:
        return phonenumbers.parse(self.text, None)

    @property
    def _home(self) -> str:
        return phonenumbers.national_significant_number(self._parsed)


def _spaced(digits: str) -> str:
    return _BETWEEN.join(digits)
