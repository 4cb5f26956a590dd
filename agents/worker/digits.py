"""Collects the digits of one purpose: `#` ends, `*` clears, silence decides. Pure, without a clock.

Times are seconds of one monotonic clock. Who owns it says what it returns, feeds it keys, and tells
it often what time it is.
"""

from dataclasses import dataclass, field
from typing import Literal

from agents.menus import Purpose

END, CLEAR = "#", "*"
YES, NO = "1", "2"
TRIES = 3  # so often a caller is asked before we give up


@dataclass(frozen=True, slots=True)
class Ask:
    """Say this; keys are awaited from the moment it was said."""

    text: str
    before: str = ""  # said first


@dataclass(frozen=True, slots=True)
class Done:
    """`value` is empty if the caller did not enter what was asked for."""

    value: str = field(repr=False)


Result = Ask | Done


class Collector:
    def __init__(self, purpose: Purpose) -> None:
        self.purpose = purpose
        self._value = ""
        self._state: Literal["collecting", "confirming", "done"] = "collecting"
        self._tries = 0
        self._asked = 0.0  # when the question had been said, or a key come, last
        self._begun = 0.0  # when the question had been said

    def begin(self, now: float) -> Ask:
        self._value, self._state = "", "collecting"
        self._tries += 1
        self._asked = self._begun = now
        return Ask(self.purpose.ask)

    def press(self, key: str, now: float) -> Result | None:
        self._asked = now
        if self._state == "confirming":
            return self._decided(key, now)
        if key == CLEAR:
            self._value = ""
        elif key == END:
            return self._complete(now)
        elif key.isdigit() and self._state == "collecting":
            self._value += key
            if len(self._value) >= self.purpose.most:
                return self._complete(now)
        return None

    def tick(self, now: float, *, busy: bool) -> Result | None:
        """`busy`: the question is still being said; time counts from its end."""
        if busy:
            self._asked = self._begun = now
            return None
        waits_s = self.purpose.gap_s if self._value else self.purpose.total_s
        if self._state == "confirming":
            waits_s = self.purpose.total_s
        late = now - self._begun >= self.purpose.total_s and self._state == "collecting"
        if self._state == "done" or not (late or now - self._asked >= waits_s):
            return None
        return self._again(now) if self._state == "confirming" else self._complete(now)

    def _complete(self, now: float) -> Result:
        if len(self._value) < self.purpose.least:
            return self._again(now)
        if self.purpose.confirm and not self.purpose.secret:
            self._state = "confirming"
            return Ask(self.purpose.confirm.replace("{digits}", " ".join(self._value)))
        return self._done(self._value)

    def _decided(self, key: str, now: float) -> Result | None:
        if key in {YES, END}:
            return self._done(self._value)
        return self._again(now) if key in {NO, CLEAR} else None

    def _again(self, now: float) -> Result:
        return self._done("") if self._tries >= TRIES else self.begin(now)

    def _done(self, value: str) -> Done:
        self._state, self._value = "done", ""
        return Done(value)
