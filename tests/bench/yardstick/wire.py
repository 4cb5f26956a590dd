"""What the emulators have logged: markers, requests to the model, lateness."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.emulators.core import words
from tests.emulators.spawned import Spawned


@dataclass(frozen=True, slots=True)
class Mark:
    """An answer, or a piece of one, which begins with marker `n`."""

    n: int
    text: str
    at: float  # monotonic: when its synthesis began


@dataclass(slots=True)
class Wire:
    emulators: Spawned
    marks: list[Mark] = field(default_factory=list)
    thought: list[float] = field(default_factory=list)  # requests to the model
    spoken: list[tuple[float, str]] = field(default_factory=list)  # requests to the voice
    late: dict[str, list[float]] = field(default_factory=dict)  # ms, by what was sent
    _seen: int = 0

    async def read(self) -> None:
        """Between calls: a long log takes the emulators' time."""
        lines = await self.emulators.log(self._seen)
        self._seen += len(lines)
        for line in lines:
            self._take(line)

    def _take(self, line: dict[str, Any]) -> None:
        role, what, extra, sent = line["role"], line["what"], line["extra"], line["sent"]
        if what == "marker":
            self.marks.append(Mark(extra["n"], extra["text"], sent))
        elif what == "request" and role == "llm":
            self.thought.append(sent)
        elif what == "request" and role == "tts":
            self.spoken.append((sent, extra["text"]))
        if sent > line["intended"]:
            self.late.setdefault(f"{role} {what}", []).append((sent - line["intended"]) * 1000)

    @property
    def late_ms(self) -> list[float]:
        return [late for sends in self.late.values() for late in sends]

    def thoughts(self, since: float, until: float) -> int:
        return sum(since <= at < until for at in self.thought)

    def letters(self, since: float, until: float) -> int:
        return sum(len(text.strip()) for at, text in self.spoken if since <= at < until)

    def marked(self, since: float, until: float) -> list[Mark]:
        return [mark for mark in self.marks if since <= mark.at < until]

    def of(self, answer: str, until: float) -> list[Mark]:
        """Whatever was made, ever, which is this answer or its beginning: it may be prepared."""
        return [mark for mark in self.marks if mark.at < until and begins(mark.text, answer)]

    def pieces(self, first: Mark, answer: str, until: float) -> list[tuple[str, int]] | None:
        """The answer as it was synthesised: each piece with its marker, 0 for none.

        None when the log does not tell.
        """
        left, found = words(answer), [(first.text, first.n)]
        left = left.removeprefix(words(first.text)).strip()
        while left:
            piece = next(self._next(left, first.at, until), None)
            if piece is None:
                return None
            found.append(piece)
            left = left.removeprefix(words(piece[0])).strip()
        return found

    def _next(self, left: str, since: float, until: float) -> Iterator[tuple[str, int]]:
        for mark in self.marked(since, until):
            if begins(mark.text, left):
                yield mark.text, mark.n
        for at, text in self.spoken:
            if since - 1 <= at < until and begins(text, left):
                yield text, 0


def begins(piece: str, answer: str) -> bool:
    said = words(piece).split()
    return bool(said) and words(answer).split()[: len(said)] == said
