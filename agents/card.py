"""Payment cards as plan and worker know them: the words, who keeps them, what is a card. Pure.

Digits are handed about as bytearrays: whoever is done with one can overwrite it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

SHORTEST, LONGEST = 12, 19  # digits of a card's number
_LENGTHS = {"visa": (16, 13, 19), "mastercard": (16,), "american express": (15,), "discover": (16,),
            "diners club": (14,), "jcb": (16,), "maestro": (), "unionpay": ()}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokeniser:
    """Where a card goes: the only place which ever learns its number."""

    url: str
    sealed_secret: str = ""  # of the signature; only a worker holding SEAL_KEY can open it
    limit_ms: int = 4000


@dataclass(frozen=True, slots=True, kw_only=True)
class CardWords:
    """What is spoken while a card is taken; its number is asked for by the digits' own question."""

    expiry: str = ""
    code: str = ""
    wrong: str = ""  # before a question which is asked again
    wait: str = ""
    done: str = ""
    failed: str = ""

    def texts(self) -> tuple[str, ...]:
        return (self.expiry, self.code, self.wrong, self.wait, self.done, self.failed)


def passes_luhn(number: Sequence[int]) -> bool:
    """`number`: digits as numbers."""
    if not SHORTEST <= len(number) <= LONGEST:
        return False
    doubled = [d if n % 2 == 0 else d * 2 - 9 * (d > 4) for n, d in enumerate(reversed(number))]
    return sum(doubled) % 10 == 0 and any(number)


def digits_of(text: bytes | bytearray) -> list[int]:
    return [c - 48 for c in text]


def brand_of(number: bytes | bytearray) -> str:
    """By the first digits; empty for one we do not know."""
    first, two = chr(number[0]) if number else "", int(number[:2] or b"0")
    four = int(number[:4] or b"0")
    if first == "4":
        return "visa"
    if 51 <= two <= 55 or 2221 <= four <= 2720:
        return "mastercard"
    known = {34: "american express", 37: "american express", 35: "jcb", 36: "diners club",
             38: "diners club", 65: "discover", 62: "unionpay", 50: "maestro"}  # fmt: skip
    return known.get(two) or ("discover" if four == 6011 else "")


def is_whole(number: bytes | bytearray) -> bool:
    """Whether no further digit can belong to it, so that nobody need press #."""
    lengths = _LENGTHS.get(brand_of(number), ())
    return bool(lengths) and len(number) == lengths[0] and passes_luhn(digits_of(number))


def is_expiry(value: bytes | bytearray, *, year: int, month: int) -> bool:
    """`value`: MMYY, not before this month."""
    if len(value) != 4 or not 1 <= int(value[:2]) <= 12:
        return False
    ends = (2000 + int(value[2:]), int(value[:2]))
    return (year, month) <= ends <= (year + 25, 12)
