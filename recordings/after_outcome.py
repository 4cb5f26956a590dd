"""How a step after a call went."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from recordings.models_after import AfterStep
from telephony.models import Call

State = AfterStep.State


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a step went. `words`: why it was not needed, or failed for good."""

    state: AfterStep.State = State.DONE
    words: str = ""


DONE = Outcome()
ASKED = Outcome(state=State.ASKED)


def skipped(why: str) -> Outcome:
    return Outcome(state=State.SKIPPED, words=why)


def failed(why: str) -> Outcome:
    return Outcome(state=State.FAILED, words=why)


class NotYet(Exception):
    """The step has to wait for something. The text says for what."""


Step = Callable[[Call, datetime], Outcome]
