"""Where a caller is in the menu, and what his key does. Pure: it is told keys, words and the time.

What follows is done by a `Doer`. Times are seconds of one monotonic clock.
"""

import re
from collections.abc import Sequence
from typing import Protocol

from agents.menus import HUMAN, Menu, Option, Page
from agents.plan import Faq

_NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_PRESSES = re.compile(r"^(?:(?:press|key|number|option) )?(\w+)(?: please)?$")
LONGEST = 6  # words in which an option's name may be said


class Doer(Protocol):
    def announce(self, *texts: str) -> None:
        """Say these instead of whatever is being said."""

    def person(self, text: str) -> None: ...
    def collect(self, purpose: str, text: str) -> None: ...
    def talk(self, text: str) -> None:
        """The talking bot takes over."""

    def finish(self, text: str) -> None:
        """End the call."""


class Walk:
    """One caller's way through a menu. Until `begin` and after `leave` keys mean nothing here."""

    def __init__(self, menu: Menu, faq: Sequence[Faq], doer: Doer) -> None:
        self._menu = menu
        self._answers = {entry.question: entry.answer for entry in faq}
        self._doer = doer
        self._page: Page | None = None
        self._waits = False  # for a key; else only a key brings the caller back
        self._since = 0.0
        self._missed = 0  # keys which did not come or meant nothing, on this page
        self._next = ""  # where it goes on after digits

    @property
    def is_open(self) -> bool:
        """Whether keys are the menu's."""
        return self._page is not None

    @property
    def waits(self) -> bool:
        """Whether the caller's silence is the menu's business."""
        return self._waits

    def options(self) -> tuple[Option, ...]:
        """Those of the page on which the caller is."""
        return self._page.options if self._page else ()

    def begin(self, now: float, *before: str) -> None:
        """From the first page; `before` is said first."""
        if self._menu.pages:
            self._open(self._menu.pages[0], now, *before)

    def leave(self) -> None:
        self._page, self._waits = None, False

    def key(self, digit: str, now: float) -> None:
        if self._page is None:
            return
        option = self._page.option(digit)
        if option is not None:
            self.choose(option, now)
        elif digit == HUMAN:
            self._waits = False
            self._doer.person("")
        else:
            self._miss(now, self._menu.invalid)

    def tick(self, now: float, *, busy: bool) -> None:
        """`busy`: somebody talks, so nobody can be late."""
        if busy:
            self._since = now
        elif self._page and self._waits and now - self._since >= self._page.timeout_s:
            self._miss(now)

    def spoken(self, text: str) -> Option | None:
        """The option whose name, or key, is said."""
        said = _words(text)
        if len(said) > LONGEST:
            return None
        for option in self.options():
            if any(_contains(said, _words(name)) for name in option.names):
                return option
        pressed = _PRESSES.match(" ".join(said))
        digit = pressed[1] if pressed else ""
        digit = str(_NUMBERS.index(digit)) if digit in _NUMBERS else digit
        return next((option for option in self.options() if option.digit == digit), None)

    def choose(self, option: Option, now: float) -> None:
        assert self._page is not None
        self._missed = 0
        here = self._menu.page(option.menu) or self._page
        if option.does in {"menu", "answer"}:
            self._open(here, now, option.says)
        elif option.does == "faq":
            self._open(here, now, option.says, self._answers.get(option.question, ""))
        elif option.does == "collect":
            self._waits, self._next = False, here.name
            self._doer.collect(option.purpose, option.says)
        else:
            self._go(option.does, option.says)

    def collected(self, now: float, *before: str) -> None:
        """The digits came, or not; the menu goes on. `before` is said first."""
        page = self._menu.page(self._next)
        if page and self._page:
            self._open(page, now, *before)

    def _open(self, page: Page, now: float, *before: str) -> None:
        self._page, self._waits, self._since, self._missed = page, True, now, 0
        self._doer.announce(*before, page.announcement)

    def _miss(self, now: float, *before: str) -> None:
        assert self._page is not None
        missed = self._missed + 1
        if missed > self._page.repeats:
            self._missed = 0
            self._go(self._page.then, "")
        else:
            self._open(self._page, now, *before)
            self._missed = missed

    def _go(self, where: str, text: str) -> None:
        self._waits = False
        if where == "person":
            self._doer.person(text)
            return
        self.leave()
        if where == "bot":
            self._doer.talk(text)
        else:
            self._doer.finish(text)


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W_]+(?:['’][^\W_]+)*|[*#]", text.casefold())


def _contains(said: list[str], name: list[str]) -> bool:
    size = len(name)
    return bool(name) and any(said[n : n + size] == name for n in range(len(said) - size + 1))
