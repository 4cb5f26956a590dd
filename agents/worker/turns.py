"""When the caller's turn is over: the detector, and how long silence must last for which words."""

import logging
import re
from collections.abc import Callable
from typing import Any, Literal

from livekit.agents import (
    AgentSession,
    ConversationItemAddedEvent,
    UserInputTranscribedEvent,
    inference,
    llm,
)

from agents.plan import CallPlan
from agents.worker.chain.clauses import is_finished, words

log = logging.getLogger(__name__)

Expected = Literal["sentence", "yes_no", "digits"]

MIN_S, MAX_S = 0.2, 1.6
# the detector takes every fourth finished question for unfinished; words which are surely complete
# need not wait for its ceiling
COMPLETE_S = 0.45  # … one of the phrases a grammar listens for, or the answer that was asked for
KNOWN_S = 0.1  # … a question whose answer is known: whatever silence the detector of speech needs
LIKELY_S = 0.8  # … ends like a sentence
DIGITS_S = 1.4  # people pause between groups of digits, whatever the detector says
NOT_UNDERSTOOD = "[unclear]"

_YES_NO = re.compile(
    r"^(yes|yeah|yep|yup|sure|no|nope|nah|correct|right|okay|ok|of course|please|not really)"
    r"( (please|thanks|thank you|it is|that's right|i do|i don't|i would|sure))*$"
)
_ASKS_YES_NO = re.compile(
    r"(?:^|[.!?,] )(?:is|are|was|do|does|did|would|will|can|could|shall|should|have|has)\b[^?]*\?$",
    re.IGNORECASE,
)
_ASKS_DIGITS = re.compile(
    r"\b(number|digits?|code|pin|postcode|zip|date of birth)\b[^.!?]*[.?]?$", re.I
)
_CHOICE = re.compile(r"\bor\b[^?]*\?$", re.IGNORECASE)
_DIGIT_WORDS = {
    "zero", "oh", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "double",
    "triple",
}  # fmt: skip
# a sentence does not end with one of these
_GOES_ON = {
    "a", "an", "the", "and", "or", "but", "because", "so", "if", "to", "of", "for", "with", "at",
    "in", "on", "from", "my", "your", "our", "is", "are", "was", "i", "i'm", "i'd", "we", "that",
    "which", "when", "about", "um", "uh", "er", "like", "than", "then", "would", "could", "can",
}  # fmt: skip


def detector_of(plan: CallPlan) -> Any:
    if plan.turn_detector == "v1-mini":
        return inference.TurnDetector(version="v1-mini")
    from agents.worker.providers.turn import MissingWeights, turn_detector

    try:
        return turn_detector(plan.turn_detector)
    except MissingWeights as missing:  # the built-in one does well, silence would not
        log.warning("An end-of-turn model is missing", extra={"error": str(missing)})
        return inference.TurnDetector(version="v1-mini")


def endpointing_of(plan: CallPlan) -> Any:
    return {"min_delay": MIN_S, "max_delay": MAX_S}


def expected_after(said: str) -> Expected:
    """Which kind of answer the bot's last words ask for."""
    last = said.strip()
    if _ASKS_DIGITS.search(last) and last.endswith(("?", ".")):
        return "digits"
    if _ASKS_YES_NO.search(last) and not _CHOICE.search(last):
        return "yes_no"
    return "sentence"


def longest_wait_s(heard: str, expected: Expected, *, grammar: bool) -> float:
    """How long silence may last after these words before the turn is over, whatever a detector
    believes. `grammar`: the recogniser knows whole phrases only."""
    said = words(heard)
    if grammar:
        return MAX_S if NOT_UNDERSTOOD in heard else COMPLETE_S
    if not said:
        return MAX_S
    if expected == "digits" and said[-1] in _DIGIT_WORDS | set("0123456789"):
        return DIGITS_S
    if expected == "yes_no" and _YES_NO.match(" ".join(said)):
        return COMPLETE_S
    if said[-1] in _GOES_ON:
        return MAX_S
    return LIKELY_S if is_finished(heard) and len(said) > 1 else MAX_S


class Endpointing:
    """Moves the ceiling of a session's endpointing with each transcript."""

    def __init__(
        self,
        plan: CallPlan,
        session: AgentSession[Any],
        *,
        known: Callable[[str], str | None] = lambda text: None,
    ) -> None:
        """`known`: the answer to a question, if it is certain."""
        self._session = session
        self._known = known
        self._grammar = plan.stt[0].provider == "sphinx"
        self._enabled = plan.speed.expected_answer
        self.expected: Expected = "sentence"
        session.on("user_input_transcribed", self._heard)
        session.on("conversation_item_added", self._said)

    def _said(self, event: ConversationItemAddedEvent) -> None:
        item = event.item
        if isinstance(item, llm.ChatMessage) and item.role == "assistant":
            self.expected = expected_after(item.text_content or "")

    def _heard(self, event: UserInputTranscribedEvent) -> None:
        if not event.is_final or not (self._enabled or self._grammar):
            return
        longest = self._longest_s(event.transcript)
        shortest = DIGITS_S if longest == DIGITS_S else MIN_S
        self._session.update_options(
            endpointing_opts={"max_delay": longest, "min_delay": min(shortest, longest)}
        )

    def _longest_s(self, heard: str) -> float:
        if self._known(heard):
            return KNOWN_S
        return longest_wait_s(heard, self.expected, grammar=self._grammar)
