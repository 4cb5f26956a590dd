"""The classic telephone menu and the digits a caller is asked for, as the plan holds them. Pure.

A menu is a list of pages; calls begin at the first. A page is announced, then a key is awaited.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

Does = Literal["answer", "menu", "faq", "collect", "person", "bot", "end"]
Then = Literal["person", "bot", "end"]
KEYS = "0123456789*#ABCD"
HUMAN = "0"  # asks for a person unless a page uses it otherwise
GOES_ON = frozenset({"menu", "answer", "faq", "collect"})  # with another menu, if one is named
MASK = "•"  # stands for each key of a secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Purpose:
    """Digits a caller may be asked for: an order number, a PIN."""

    key: str  # a slug: the name of the call's variable
    ask: str  # spoken
    least: int = 1
    most: int = 20
    secret: bool = False  # written down nowhere, told to no model
    confirm: str = ""  # reads them back, as {digits}; entered again unless the caller agrees
    gap_s: int = 4  # so long after a key the number is taken for complete
    total_s: int = 30  # … and so long after the question, whatever came
    card: bool = False  # a payment card: number, expiry and code go to the tokeniser only
    pauses: bool = False  # nothing is recorded meanwhile

    @property
    def hidden(self) -> bool:
        return self.secret or self.card


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    digit: str
    does: Does
    says: str = ""  # spoken: the answer itself, or a word before what follows
    menu: str = ""  # the page to open; after an answer or digits: where it goes on
    question: str = ""  # of the FAQ
    purpose: str = ""  # key of the digits to collect
    names: tuple[str, ...] = ()  # what callers say instead of pressing it


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    name: str
    announcement: str
    timeout_s: int = 6  # after the announcement
    repeats: int = 2
    then: Then = "person"  # … after the last of them
    options: tuple[Option, ...] = ()

    def option(self, digit: str) -> Option | None:
        return next((option for option in self.options if option.digit == digit), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Menu:
    pages: tuple[Page, ...]  # the first one is where callers begin
    invalid: str  # spoken after a key without a meaning
    speech: bool = False  # callers may also speak

    def page(self, name: str) -> Page | None:
        return next((page for page in self.pages if page.name == name), None)

    def texts(self) -> Iterator[str]:
        """All that is spoken word for word, first pages first."""
        for page in self.pages:
            yield page.announcement
            yield from (option.says for option in page.options)
        yield self.invalid


def menu_from(raw: Mapping[str, Any]) -> Menu:
    """The menu of a plan's JSON. Raises TypeError, KeyError."""
    return Menu(**{**raw, "pages": tuple(_page(page) for page in raw["pages"])})


def _page(raw: Mapping[str, Any]) -> Page:
    options = (Option(**{**one, "names": tuple(one["names"])}) for one in raw["options"])
    return Page(**{**raw, "options": tuple(options)})


# --- what is wrong with one -----------------------------------------------------------------------


def menu_problems(menu: Menu, questions: set[str], purposes: set[str]) -> Iterator[str]:
    """Why callers must not get into it: what is wrong, and what to do."""
    if not menu.pages:
        yield "The project answers with a menu, but has none. Add a menu, or let the bot talk."
        return
    for page in menu.pages:
        yield from _page_problems(menu, page, questions, purposes)
    yield from _unreachable(menu)


def purpose_problems(purpose: Purpose) -> Iterator[str]:
    name = f"The digits “{purpose.key}”"
    if not purpose.ask.strip():
        yield f"{name} are asked for without a word. Write the sentence which asks for them."
    if purpose.least > purpose.most:
        yield f"{name} end before they begin: at least {purpose.least}, at most {purpose.most}."
    if purpose.card and purpose.confirm:
        yield f"{name} are a card and would be read aloud. Switch off one of the two."
    elif purpose.secret and purpose.confirm:
        yield f"{name} are secret and would be read aloud. Switch off one of the two."


def _page_problems(
    menu: Menu, page: Page, questions: set[str], purposes: set[str]
) -> Iterator[str]:
    name = f"Menu “{page.name}”"
    if not page.announcement.strip():
        yield f"{name} has no announcement, the caller would hear silence. Write one."
    if not page.options:
        yield f"{name} has no keys. Add at least one."
    digits = [option.digit for option in page.options]
    for digit in sorted({digit for digit in digits if digits.count(digit) > 1}):
        yield f"{name} has the key {digit} twice. Keep one."
    for option in page.options:
        if reason := _leads_nowhere(menu, option, questions, purposes):
            yield f"{name}, key {option.digit}: {reason}"
    yield from _rival_names(page)


def _leads_nowhere(menu: Menu, option: Option, questions: set[str], purposes: set[str]) -> str:
    if option.menu and menu.page(option.menu) is None:
        return f"the menu “{option.menu}” does not exist. Choose another one."
    if option.does == "menu" and not option.menu:
        return "no menu is named to be opened. Choose one."
    if option.does == "answer" and not option.says.strip():
        return "the answer has no words. Write them."
    if option.does == "faq" and option.question not in questions:
        return "no question of the FAQ is named. Choose one."
    if option.does == "collect" and option.purpose not in purposes:
        return "it does not say which digits to collect. Choose them."
    return ""


def _rival_names(page: Page) -> Iterator[str]:
    seen: dict[str, str] = {}
    for option in page.options:
        for name in option.names:
            rival = seen.setdefault(name.casefold(), option.digit)
            if rival != option.digit:
                yield (
                    f"Menu “{page.name}”: “{name}” is said for the keys {rival} and "
                    f"{option.digit}. Keep it at one."
                )


def _unreachable(menu: Menu) -> Iterator[str]:
    """Pages nobody comes to. A loop always has an exit: each page ends after its last repeat."""
    found, ahead = set(), [menu.pages[0]]
    while ahead:
        page = ahead.pop()
        found.add(page.name)
        targets = (menu.page(option.menu) for option in page.options if option.does in GOES_ON)
        ahead += [target for target in targets if target and target.name not in found]
    for page in menu.pages:
        if page.name not in found:
            yield f"No key leads to the menu “{page.name}”. Add one, or delete the menu."


# --- to look at -----------------------------------------------------------------------------------

_DOES = {
    "person": "a person",
    "bot": "the talking bot",
    "end": "the call ends",
}


def outline(menu: Menu) -> str:
    """The tree as indented text; a page which was shown before is only named."""
    lines: list[str] = []
    drawn: set[str] = set()
    for page in menu.pages:
        if page.name not in drawn:
            _draw(menu, page, "", lines, drawn)
    return "\n".join(lines) or "No menu yet."


def _draw(menu: Menu, page: Page, indent: str, lines: list[str], drawn: set[str]) -> None:
    if page.name in drawn:
        lines.append(f"{indent}Menu “{page.name}” (see above)")
        return
    drawn.add(page.name)
    lines.append(f"{indent}Menu “{page.name}”: {_short(page.announcement)}")
    for option in page.options:
        lines.append(f"{indent}  {option.digit}  {_told(option)}")
        target = menu.page(option.menu)
        if target is not None and option.does == "menu":
            _draw(menu, target, f"{indent}     ", lines, drawn)
    if page.option(HUMAN) is None:
        lines.append(f"{indent}  {HUMAN}  a person (always, unless the key is used)")
    times = f"said {page.repeats + 1} times" if page.repeats else "said once"
    lines.append(f"{indent}  —  no key for {page.timeout_s} s: {times}, then {_DOES[page.then]}")


def _told(option: Option) -> str:
    words = f"“{_short(option.says)}”" if option.says.strip() else ""
    told = {
        "answer": words or "an answer without words",
        "menu": ", ".join(filter(None, (words, f"menu “{option.menu or '?'}”"))),
        "faq": f"the answer to “{_short(option.question)}”",
        "collect": f"asks for the digits “{option.purpose}”",
    }.get(option.does) or ", ".join(filter(None, (words, _DOES.get(option.does, ""))))
    if option.menu and option.does in GOES_ON - {"menu"}:
        told += f", then menu “{option.menu}”"
    return told + (f"  (or says: {', '.join(option.names)})" if option.names else "")


def _short(text: str, length: int = 60) -> str:
    plain = " ".join(text.split())
    return plain if len(plain) <= length else plain[: length - 1].rstrip() + "…"
