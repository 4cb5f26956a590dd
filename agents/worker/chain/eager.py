"""Lets the model begin before a transcript is final, on words which will hardly change."""

from collections.abc import Callable, Iterator
from dataclasses import replace

from livekit.agents import stt

from agents.worker.chain.clauses import is_finished, words

MOST = 6  # guesses in a turn: each costs a request to the model
FEWEST_WORDS = 2
BREATH_S, PAUSE_S = 0.04, 0.1  # quiet after the end of a sentence, and in the middle of one

Event = stt.SpeechEvent
Kind = stt.SpeechEventType


class Eager:
    """Feed it a recogniser's events; it adds PREFLIGHT_TRANSCRIPTs, on which nothing is decided.

    A guess is made when the caller is quiet for a moment and the interim words end like a sentence
    or came twice without a change. The final transcript takes the guess' spelling if the words are
    the same; so the answer which was begun is kept.
    """

    def __init__(self, quiet_s: Callable[[], float], *, enabled: bool) -> None:
        """`quiet_s`: how long nothing loud has come from the caller."""
        self._quiet_s = quiet_s
        self._enabled = enabled
        self._last = ""  # interim words
        self._guess = ""
        self._guesses = 0

    def feed(self, event: Event) -> Iterator[Event]:
        text = event.alternatives[0].text if event.alternatives else ""
        if not self._enabled or not text:
            yield event
        elif event.type == Kind.INTERIM_TRANSCRIPT:
            yield event
            if self._is_likely(text):
                self._guess, self._guesses = text, self._guesses + 1
                yield replace(event, type=Kind.PREFLIGHT_TRANSCRIPT)
            self._last = text
        elif event.type == Kind.FINAL_TRANSCRIPT:
            yield self._confirmed(event, text)
            self._last, self._guess, self._guesses = "", "", 0
        else:
            yield event

    def _is_likely(self, text: str) -> bool:
        if self._guesses >= MOST or len(words(text)) < FEWEST_WORDS:
            return False
        if words(text) == words(self._guess):
            return False
        quiet_s = self._quiet_s()
        unchanged = words(text) == words(self._last)
        return (is_finished(text) and quiet_s >= BREATH_S) or (unchanged and quiet_s >= PAUSE_S)

    def _confirmed(self, event: Event, text: str) -> Event:
        if not self._guess or words(text) != words(self._guess):
            return event
        return replace(event, alternatives=[replace(event.alternatives[0], text=self._guess)])
