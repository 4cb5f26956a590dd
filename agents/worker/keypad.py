"""The keys of one call: menu, digits which are collected, and what their results are.

The machines (menu, digits, card) are pure; here they meet the session, the journal and the clock.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

from livekit.agents.voice import SpeechHandle

from agents.menus import MASK, Option, Purpose
from agents.plan import CallPlan
from agents.worker.card_steps import Card, CardSteps, Ready
from agents.worker.digits import END, Ask, Collector, Done
from agents.worker.journal import Journal
from agents.worker.menu import Walk
from agents.worker.pauses import Pauses
from agents.worker.tokeniser import Token, TokeniserFailed

log = logging.getLogger(__name__)

TICK_S = 0.1
LATE_S = 2.0  # a # so soon after the last digit belongs to the digits


class Host(Protocol):
    """What the keys need of the bot."""

    plan: CallPlan
    pauses: Pauses
    tokenise: Callable[[Card, str], Awaitable[Token]]

    @property
    def session(self) -> Any: ...
    def say(self, text: str, *, interruptible: bool = True) -> SpeechHandle | None: ...
    def request_human(self) -> None: ...
    def leave(self, reason: str, words: str) -> None: ...
    def deafen(self, deaf: bool) -> None:
        """Whether words of the caller reach a recogniser."""


@dataclass(slots=True)
class Variables:
    """What became known of the caller in this call, by the purposes' keys."""

    public: dict[str, str] = field(default_factory=dict)
    secret: dict[str, str] = field(default_factory=dict, repr=False)  # for no journal, no model

    def keep(self, purpose: Purpose, value: str) -> None:
        (self.secret if purpose.secret else self.public)[purpose.key] = value


class Keypad:
    def __init__(self, host: Host, journal: Journal) -> None:
        plan = host.plan
        self.variables = Variables()
        self._host = host
        self._journal = journal
        self._purposes = {purpose.key: purpose for purpose in plan.purposes}
        self.walk = Walk(plan.menu, plan.faq, self) if plan.menu else None
        self._deaf_menu = plan.menu is not None and not plan.menu.speech
        self._collector: Collector | CardSteps | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._result: asyncio.Future[str] | None = None
        self._ended: tuple[Purpose, float] | None = None  # what was collected last, and when
        self._speeches: list[SpeechHandle] = []
        self._ticking: asyncio.Task[None] | None = None

    # --- what the bot reports --------------------------------------------------------------------

    def begin(self, greeting: str) -> bool:
        """The caller hears us. False if no menu meets him: the bot greets him itself."""
        if self.walk is None:
            return False
        self.walk.begin(_now(), greeting)
        self._hear()
        self._tick_on()
        return True

    def press(self, digit: str, *, heed: bool = True) -> bool:
        """Whether the key was ours. It is in the journal afterwards, masked if it must be; without
        `heed` that is all."""
        just_ended = self._ended is not None and _now() - self._ended[1] < LATE_S
        of = self._collector.purpose if self._collector else None
        if of is None and just_ended and self._ended:
            of = self._ended[0]
        if of is None or not of.card:  # of a card not even how many there were
            self._journal.write("dtmf", digit=MASK if of and of.secret else digit)
        if not heed:
            return False
        if self._collector:
            self._hush()
            self._follow(self._collector.press(digit, _now()))
        elif just_ended and (digit == END or (of and of.card)):
            pass
        elif self.walk and self.walk.is_open:
            self.walk.key(digit, _now())
            self._hear()
        else:
            return False
        return True

    @property
    def waits(self) -> bool:
        """Silence is looked after here: a key is awaited."""
        return self._collector is not None or bool(self.walk and self.walk.waits)

    @property
    def collects(self) -> bool:
        return self._collector is not None

    def spoken(self, text: str) -> Option | None:
        """The option of the menu which these words mean."""
        return self.walk.spoken(text) if self.walk and self.walk.is_open else None

    def choose(self, digit: str) -> bool:
        """As if the key had been pressed. False if the menu has no such key now."""
        option = next((one for one in self.options() if one.digit == digit), None)
        if option is None or self.walk is None:
            return False
        self.walk.choose(option, _now())
        self._hear()
        return True

    def options(self) -> tuple[Option, ...]:
        return self.walk.options() if self.walk else ()

    def stop(self) -> None:
        if self._ticking:
            self._ticking.cancel()
        for task in self._tasks:
            task.cancel()
        if isinstance(self._collector, CardSteps):
            self._collector.wipe()
        if self._result and not self._result.done():
            self._result.cancel()

    # --- digits ----------------------------------------------------------------------------------

    async def collected(self, key: str) -> str:
        """Collect the digits of a purpose; what a model may know of the result. Never raises for
        a purpose nobody defined: models make mistakes."""
        purpose = self._purposes.get(key)
        if purpose is None or self._collector:
            return f"There is nothing to collect as {key!r}; known: {', '.join(self._purposes)}."
        self._result = asyncio.get_running_loop().create_future()
        self._collect(purpose)
        value = await self._result
        if purpose.card:
            return value or "The card could not be taken, and the caller was told so."
        if not value:
            return "The caller entered nothing usable."
        if purpose.secret:
            return f"The caller entered {len(value)} digits. They are secret; go on without them."
        return f"The caller entered {value}."

    def _collect(self, purpose: Purpose, *before: str) -> None:
        if purpose.card:
            today = datetime.now(UTC).date()
            self._collector = steps = CardSteps(purpose, self._host.plan.card, today=today)
            self._hear()
            self._start(self._open_card(steps, *before))
            return
        self._collector = Collector(purpose)
        self._hear()
        if purpose.pauses:
            self._start(self._host.pauses.begin("rule", purpose.key))
        self.announce(*before, self._collector.begin(_now()).text)
        self._tick_on()

    def _follow(self, result: Ask | Done | Ready | None) -> None:
        steps = self._collector
        if isinstance(result, Ask):
            self.announce(result.before, result.text)
        elif isinstance(result, Ready) and isinstance(steps, CardSteps):
            self.announce(self._host.plan.card.wait)
            self._start(self._hand_over(steps))
        elif isinstance(result, Done) and isinstance(steps, CardSteps):
            self._start(self._close_card(steps, None, "the caller entered none"))
        elif isinstance(result, Done) and steps:
            self._collector = None
            self._take(steps.purpose, result.value)

    def _take(self, purpose: Purpose, value: str) -> None:
        if purpose.pauses:
            self._start(self._host.pauses.end("rule", purpose.key))
        outcome = f"{len(value)} digits" if value else "nothing usable"
        shown = {} if purpose.secret or not value else {"value": value}
        self._journal.write(
            "tool", name="collect_digits", outcome=outcome, purpose=purpose.key, **shown
        )
        if value:
            self.variables.keep(purpose, value)
        self._settle(purpose, value)

    def _settle(self, purpose: Purpose, value: str, *words: str) -> None:
        """Whoever asked goes on; `words` are said before that."""
        self._ended = (purpose, _now())
        if self.walk and self.walk.is_open and self._result is None:
            self.walk.collected(_now(), *words)
        elif words:
            self.announce(*words)
        if self._result and not self._result.done():
            self._result.set_result(value)
            self._result = None
        self._hear()

    # --- a card ----------------------------------------------------------------------------------

    async def _open_card(self, steps: CardSteps, *before: str) -> None:
        """Nobody is asked for a digit before nothing hears and records it any more; whoever types
        ahead is not heard either."""
        if not await self._host.pauses.begin("card", steps.purpose.key):
            await self._close_card(steps, None, "the recording could not be paused")
            return
        self.announce(*before, steps.begin(_now()).text)
        self._tick_on()

    async def _hand_over(self, steps: CardSteps) -> None:
        token, why = None, ""
        try:
            token = await self._host.tokenise(steps.card, steps.purpose.key)
        except TokeniserFailed as reason:
            why = str(reason)
        finally:
            steps.wipe()
        await self._close_card(steps, token, why)

    async def _close_card(self, steps: CardSteps, token: Token | None, why: str) -> None:
        steps.wipe()
        purpose, words = steps.purpose, self._host.plan.card
        await self._host.pauses.end("card", purpose.key)
        self._collector = None
        told = ""
        if token:
            facts = {"token": token.token, "last4": token.last4, "brand": token.brand}
            outcome = f"{token.brand} ending in {token.last4}".strip()
            self.variables.public |= {purpose.key: token.token} | {
                f"{purpose.key}_{name}": facts[name] for name in ("last4", "brand")
            }
            told = f"The card ({outcome}) was stored as the token {token.token}."
        else:
            facts, outcome = {}, f"no card: {why}"
        self._journal.write(
            "tool", name="collect_card", outcome=outcome, purpose=purpose.key, **facts
        )
        self._settle(purpose, told, words.done if token else words.failed)

    # --- what the menu wants ---------------------------------------------------------------------

    def announce(self, *texts: str) -> None:
        self._hush()
        self._speeches = [speech for text in texts if (speech := self._host.say(text))]

    def person(self, text: str) -> None:
        self._interrupt()
        if text:
            self._host.say(text)
        self._host.request_human()

    def collect(self, purpose: str, text: str) -> None:
        if found := self._purposes.get(purpose):
            self._collect(found, text)

    def talk(self, text: str) -> None:
        self._hear()
        self.announce(text)

    def finish(self, text: str) -> None:
        self._host.leave("bot", text or self._host.plan.goodbye)

    # --- the line --------------------------------------------------------------------------------

    def _hear(self) -> None:
        """A secret is not listened to, nor is anybody in a menu which knows keys only."""
        secret = self._collector is not None and self._collector.purpose.hidden
        in_menu = self._deaf_menu and self.walk is not None and self.walk.is_open
        self._host.deafen(secret or in_menu)

    def _hush(self) -> None:
        """Silence at once. Not by the session while a tool waits for digits: that would end the
        tool as well."""
        if self._result is None:
            self._interrupt()
            return
        for speech in self._speeches:
            if not speech.done():
                speech.interrupt(force=True)

    def _interrupt(self) -> None:
        self._host.session.interrupt(force=True)

    def _start(self, work: Coroutine[Any, Any, object]) -> None:
        task = asyncio.create_task(_done(work), name="keypad")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _tick_on(self) -> None:
        if self._ticking is None or self._ticking.done():
            self._ticking = asyncio.create_task(self._tick(), name="keypad")

    async def _tick(self) -> None:
        while self._collector or self.walk:
            await asyncio.sleep(TICK_S)
            speaking = any(not speech.done() for speech in self._speeches)
            collects = self._collector is not None
            if self._collector:
                self._follow(self._collector.tick(_now(), busy=speaking))
            if self.walk:  # meanwhile nobody is late with a key of the menu
                self.walk.tick(_now(), busy=collects or speaking or self._somebody_talks())
                self._hear()

    def _somebody_talks(self) -> bool:
        session = self._host.session
        busy = session.agent_state in {"speaking", "thinking"}
        return busy or session.user_state == "speaking"


async def _done(work: Coroutine[Any, Any, object]) -> None:
    await work


def _now() -> float:
    return asyncio.get_running_loop().time()
