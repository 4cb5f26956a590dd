"""Lets the model begin before a transcript is final, on words which will hardly change."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from dataclasses import replace

from livekit.agents import stt
from livekit.agents.utils import aio

from agents.worker.chain.clauses import is_finished, words

MOST = 6  # guesses in a turn: each costs a request to the model
FEWEST_WORDS = 2
BREATH_S, PAUSE_S = 0.04, 0.1  # quiet after the end of a sentence, and in the middle of one
TICK_S = 0.02  # how often we look whether he has become quiet
REPEATED_S = 2.0  # so late a recogniser's final may come

Event = stt.SpeechEvent
Kind = stt.SpeechEventType


class Eager:
    """Feed it a recogniser's events; it adds PREFLIGHT_TRANSCRIPTs, on which nothing is decided.

    A guess is made when the caller is quiet for a moment and the interim words end like a sentence
    or came twice without a change. The final transcript takes the guess' spelling if the words are
    the same; so the answer which was begun is kept. Words whose answer is known are not waited for
    any longer: they are made final here, and the recogniser's own final is kept back.
    """

    def __init__(
        self,
        quiet_s: Callable[[], float],
        *,
        enabled: bool,
        ahead: Callable[[str], None] = lambda text: None,
        known: Callable[[str], str | None] = lambda text: None,
        ends: Callable[[], bool] = lambda: False,
    ) -> None:
        """`quiet_s`: how long nothing loud has come from the caller. `ahead` hears words which may
        become a guess as soon as he is quiet. `known`: the answer to them, if that is certain;
        `ends` then ends his speech, if he is quiet for long enough."""
        self._quiet_s = quiet_s
        self._enabled = enabled
        self._ahead = ahead
        self._known = known
        self._ends = ends
        self._last = ""  # interim words
        self._guess = ""
        self._guesses = 0
        self._ripening: Event | None = None  # a guess as soon as he is quiet
        self._whole: Event | None = None  # final as soon as its answer is known and he has ended
        self._closed = ""  # words which were made final; their own final is still to come
        self._closed_at = 0.0  # monotonic

    async def through(self, heard: AsyncGenerator[Event, None]) -> AsyncGenerator[Event, None]:
        """All events of a recogniser, and the guesses. Interims come ten times a second or less;
        he may be quiet sooner."""
        coming: asyncio.Task[Event | None] | None = None
        try:
            while True:
                coming = coming or asyncio.create_task(_next(heard))
                waits = self._ripening or self._whole
                await asyncio.wait({coming}, timeout=TICK_S if waits else None)
                if not coming.done():
                    for ready in (*self._ripe(), *self._close()):
                        yield ready
                    continue
                event, coming = coming.result(), None
                if event is None:
                    return
                for ready in self.feed(event):
                    yield ready
        finally:
            if coming:
                await aio.cancel_and_wait(coming)
            await heard.aclose()

    def feed(self, event: Event) -> Iterator[Event]:
        text = event.alternatives[0].text if event.alternatives else ""
        if not self._enabled or not text:
            yield event
        elif event.type == Kind.INTERIM_TRANSCRIPT:
            if not self._repeats(text):
                yield event
                yield from self._weigh(event, text)
        elif event.type == Kind.FINAL_TRANSCRIPT:
            if not self._repeats(text):
                yield self._final(event, text)
        else:
            yield event

    def _weigh(self, event: Event, text: str) -> Iterator[Event]:
        self._ripening = self._candidate(event, text)
        self._whole = event if is_finished(text) else None
        self._last = text
        yield from self._ripe()
        yield from self._close()

    def _repeats(self, text: str) -> bool:
        """Whether these are words which were just made final, or ask for the same answer."""
        if not self._closed or time.monotonic() - self._closed_at > REPEATED_S:
            return False
        if f" {' '.join(words(text))} " in f" {' '.join(words(self._closed))} ":
            return True
        self._ahead(text)
        return self._known(text) == self._known(self._closed)

    def _candidate(self, event: Event, text: str) -> Event | None:
        """Half a sentence is taken only if he is quiet now: its next words may be on their way."""
        if self._guesses >= MOST or len(words(text)) < FEWEST_WORDS:
            return None
        if words(text) == words(self._guess):
            return None
        whole, unchanged = is_finished(text), words(text) == words(self._last)
        if not whole and not (unchanged and self._quiet_s() >= PAUSE_S):
            return None
        self._ahead(text)
        return event

    def _ripe(self) -> Iterator[Event]:
        if self._ripening is None or self._quiet_s() < BREATH_S:
            return
        event, self._ripening = self._ripening, None
        self._guess, self._guesses = event.alternatives[0].text, self._guesses + 1
        yield replace(event, type=Kind.PREFLIGHT_TRANSCRIPT)

    def _close(self) -> Iterator[Event]:
        text = self._whole.alternatives[0].text if self._whole else ""
        if self._whole and self._known(text) and self._ends():
            self._closed, self._closed_at = text, time.monotonic()
            yield self._final(replace(self._whole, type=Kind.FINAL_TRANSCRIPT), text)

    def _final(self, event: Event, text: str) -> Event:
        confirmed = self._confirmed(event, text)
        self._last, self._guess, self._guesses = "", "", 0
        self._ripening = self._whole = None
        return confirmed

    def _confirmed(self, event: Event, text: str) -> Event:
        if not self._guess or words(text) != words(self._guess):
            return event
        return replace(event, alternatives=[replace(event.alternatives[0], text=self._guess)])


async def _next(events: AsyncIterator[Event]) -> Event | None:
    return await anext(events, None)
