"""Lets the model begin before a transcript is final, on words which will hardly change."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from dataclasses import replace

from livekit.agents import stt
from livekit.agents.utils import aio

from agents.worker.chain.clauses import is_finished, words

MOST = 6  # guesses in a turn: each costs a request to the model
FEWEST_WORDS = 2
BREATH_S, PAUSE_S = 0.04, 0.1  # quiet after the end of a sentence, and in the middle of one
TICK_S = 0.02  # how often we look whether he has become quiet

Event = stt.SpeechEvent
Kind = stt.SpeechEventType


class Eager:
    """Feed it a recogniser's events; it adds PREFLIGHT_TRANSCRIPTs, on which nothing is decided.

    A guess is made when the caller is quiet for a moment and the interim words end like a sentence
    or came twice without a change. The final transcript takes the guess' spelling if the words are
    the same; so the answer which was begun is kept.
    """

    def __init__(
        self,
        quiet_s: Callable[[], float],
        *,
        enabled: bool,
        ahead: Callable[[str], None] = lambda text: None,
    ) -> None:
        """`quiet_s`: how long nothing loud has come from the caller. `ahead` hears words which may
        become a guess as soon as he is quiet."""
        self._quiet_s = quiet_s
        self._enabled = enabled
        self._ahead = ahead
        self._last = ""  # interim words
        self._guess = ""
        self._guesses = 0
        self._ripening: Event | None = None  # a guess as soon as he is quiet

    async def through(self, heard: AsyncGenerator[Event, None]) -> AsyncGenerator[Event, None]:
        """All events of a recogniser, and the guesses. Interims come ten times a second or less;
        he may be quiet sooner."""
        coming: asyncio.Task[Event | None] | None = None
        try:
            while True:
                coming = coming or asyncio.create_task(_next(heard))
                await asyncio.wait({coming}, timeout=TICK_S if self._ripening else None)
                if not coming.done():
                    for guess in self._ripe():
                        yield guess
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
            yield event
            self._ripening = self._candidate(event, text)
            self._last = text
            yield from self._ripe()
        elif event.type == Kind.FINAL_TRANSCRIPT:
            yield self._confirmed(event, text)
            self._last, self._guess, self._guesses, self._ripening = "", "", 0, None
        else:
            yield event

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

    def _confirmed(self, event: Event, text: str) -> Event:
        if not self._guess or words(text) != words(self._guess):
            return event
        return replace(event, alternatives=[replace(event.alternatives[0], text=self._guess)])


async def _next(events: AsyncIterator[Event]) -> Event | None:
    return await anext(events, None)
