"""Takes a payment card by keys: number, expiry, security code. Pure, without a clock.

Keeps digits in bytearrays and overwrites them, as far as Python lets one. Used as the collector of
other digits is (digits.py).
"""

import contextlib
from dataclasses import dataclass, field
from datetime import date
from typing import Literal

from agents import card
from agents.card import CardWords
from agents.menus import Purpose
from agents.worker.digits import CLEAR, END, TRIES, Ask, Done

Step = Literal["number", "expiry", "code"]
STEPS: tuple[Step, ...] = ("number", "expiry", "code")
_SPAN: dict[Step, tuple[int, int]] = {
    "number": (card.SHORTEST, card.LONGEST), "expiry": (4, 4), "code": (3, 4),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Card:
    """What a tokeniser is told. The buffers are the steps' own: wiped with them."""

    number: bytearray = field(repr=False)
    expiry: bytearray = field(repr=False)
    code: bytearray = field(repr=False)


@dataclass(frozen=True, slots=True)
class Ready:
    """Number, expiry and code are there."""


Result = Ask | Done | Ready


class CardSteps:
    def __init__(self, purpose: Purpose, words: CardWords, *, today: date) -> None:
        self.purpose = purpose
        self._words = words
        self._today = today
        self._held: dict[Step, bytearray] = {step: bytearray() for step in STEPS}
        self._step: Step = "number"
        self._open = False  # keys before the question was asked belong to nothing
        self._tries = 0
        self._asked = self._begun = 0.0

    def begin(self, now: float) -> Ask:
        return self._ask("number", now)

    @property
    def card(self) -> Card:
        return Card(self._held["number"], self._held["expiry"], self._held["code"])

    def wipe(self) -> None:
        self._open = False
        for held in self._held.values():
            overwrite(held)

    def press(self, key: str, now: float) -> Result | None:
        if not self._open:
            return None
        self._asked = now
        held = self._held[self._step]
        if key == CLEAR:
            overwrite(held)
        elif key == END:
            return self._complete(now)
        elif key.isdigit():
            if len(held) < _SPAN[self._step][1]:
                held.append(ord(key))
            if self._is_whole(held):
                return self._complete(now)
        return None

    def tick(self, now: float, *, busy: bool) -> Result | None:
        """`busy`: the question is still being said; time counts from its end."""
        if busy:
            self._asked = self._begun = now
            return None
        waits_s = self.purpose.gap_s if self._held[self._step] else self.purpose.total_s
        late = now - self._begun >= self.purpose.total_s
        if not self._open or not (late or now - self._asked >= waits_s):
            return None
        return self._complete(now)

    def _is_whole(self, held: bytearray) -> bool:
        if self._step == "number":
            return card.is_whole(held)
        american = card.brand_of(self._held["number"]) == "american express"
        most = 4 if self._step == "expiry" or american else 3
        return len(held) >= most

    def _complete(self, now: float) -> Result:
        held = self._held[self._step]
        if not self._fits(held):
            overwrite(held)
            return self._again(now)
        if self._step == STEPS[-1]:
            self._open = False
            return Ready()
        self._tries = 0
        return self._ask(STEPS[STEPS.index(self._step) + 1], now)

    def _fits(self, held: bytearray) -> bool:
        least, most = _SPAN[self._step]
        if not least <= len(held) <= most:
            return False
        if self._step == "number":
            return card.passes_luhn(card.digits_of(held))
        today = self._today
        return self._step == "code" or card.is_expiry(held, year=today.year, month=today.month)

    def _again(self, now: float) -> Result:
        if self._tries >= TRIES:
            self.wipe()
            return Done("")
        return self._ask(self._step, now, self._words.wrong)

    def _ask(self, step: Step, now: float, before: str = "") -> Ask:
        self._step, self._open = step, True
        self._tries += 1
        self._asked = self._begun = now
        asked = {
            "number": self.purpose.ask, "expiry": self._words.expiry, "code": self._words.code,
        }  # fmt: skip
        return Ask(asked[step], before)


def overwrite(held: bytearray) -> None:
    held[:] = bytes(len(held))
    with contextlib.suppress(BufferError):  # somebody still looks at it; what he sees is zeros
        held.clear()
