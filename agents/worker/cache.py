"""Answers common questions without a language model: by meaning, and only when it is sure.

The questions and answers are those of the plan, so nothing crosses from one project, or from one
version, to another. What needs live data is never answered from here.
"""

import asyncio
import re
from collections import OrderedDict
from pathlib import Path

import numpy as np

from agents.plan import CallPlan
from agents.worker.chain.clauses import words
from agents.worker.embedded import engine, meaning

# Chosen on paraphrases and near misses of two projects, checked on a third
# (tests/worker/test_cache.py): more than half of the paraphrases are answered, no near miss is.
FLOOR = 0.80
MARGIN = 0.15
STRANGE = 0.50  # a word of the question must be as near as this to one of the entry
LONGEST = 16  # words
REMEMBERED = 16
_CONTEXT = re.compile(
    r"^(and|but|or|what about|how about|then|so)\b|\b(it|that|those|them)\b", re.IGNORECASE
)
_COMMON = frozenset(
    words(
        """
    a an the and or but to of for with at in on from my your our is are was were be been am i i'm
    i'd i'll we you it its he she they me us them this that these those do does did can could would
    shall will may might have has had what when where which who how why if so please hi hello tell
    want like need there here get got much many any some by about into up out yet still
    """
    )
)


def _needs_more(asked: str) -> bool:
    """Such a turn says more than one question, or leans on what was said before."""
    return len(asked.split()) > LONGEST or bool(_CONTEXT.search(asked))


class FaqCache:
    def __init__(self, plan: CallPlan, folder: Path) -> None:
        ready = folder / "meaning.npy"
        vectors = np.load(ready) if ready.exists() else None
        self._plan = plan
        self._matcher = engine.Matcher(plan, vectors, sure=FLOOR, margin=MARGIN)
        self._known = [_content(" ".join((e.question, *e.variants, e.answer))) for e in plan.faq]
        self._meant: dict[str, meaning.Matrix] = {}
        # by words; what was decided for a guess holds for the turn. Few: a turn has few guesses
        self._decided: OrderedDict[tuple[str, ...], asyncio.Task[engine.Decision]] = OrderedDict()

    def look_ahead(self, asked: str) -> None:
        """Begin to decide: the question may be asked in a moment."""
        if self._matcher.exact(asked) is None and not _needs_more(asked):
            self._begin(asked)

    def known(self, asked: str) -> str | None:
        """The plan's answer, as far as it is decided by now."""
        decision = self._matcher.exact(asked)
        deciding = self._decided.get(tuple(words(asked)))
        if decision is None and deciding and deciding.done() and not deciding.cancelled():
            decision = deciding.result()
        return self._answer_of(decision)

    async def answer(self, asked: str) -> str | None:
        """The plan's answer, or nothing: ask the model."""
        decision = self._matcher.exact(asked)
        if decision is None and not _needs_more(asked):
            decision = await asyncio.shield(self._begin(asked))
        return self._answer_of(decision)

    def _answer_of(self, decision: engine.Decision | None) -> str | None:
        if decision is None or decision.kind != "answer":
            return None
        entry = self._plan.faq[decision.entry]
        return None if entry.live else entry.answer

    def _begin(self, asked: str) -> "asyncio.Task[engine.Decision]":
        key = tuple(words(asked))
        if key not in self._decided:
            work = asyncio.to_thread(self._decide, asked)
            self._decided[key] = asyncio.create_task(work)
            while len(self._decided) > REMEMBERED:
                self._decided.popitem(last=False)
        return self._decided[key]

    def _decide(self, asked: str) -> engine.Decision:
        """Blocking: about 10 ms, and 5 more for each word the entry does not have."""
        decision = self._matcher.decide(asked)
        if decision.kind == "answer" and self._is_strange(asked, decision.entry):
            return engine.Decision("ask_back", score=decision.score)
        return decision

    def _is_strange(self, asked: str, entry: int) -> bool:
        """Whether a word has nothing to do with the entry: “can I rent a bike *to own*”."""
        known = self._known[entry]
        return any(
            max((float(self._of(word) @ self._of(other)) for other in known), default=0.0) < STRANGE
            for word in _content(asked) - known
        )

    def _of(self, word: str) -> meaning.Matrix:
        if word not in self._meant:
            self._meant[word] = meaning.model().embed([word])[0]
        return self._meant[word]


def _content(text: str) -> frozenset[str]:
    return frozenset(words(text)) - _COMMON
