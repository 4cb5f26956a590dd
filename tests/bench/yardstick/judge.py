"""From a call as it went to rows of figures. Done between calls: it takes time. Durations in ms."""

import itertools
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from telephony.caller import audio
from telephony.caller.audio import RATE, Pcm
from telephony.caller.call import Call
from tests.bench.yardstick import sound
from tests.bench.yardstick.scenario import FILLER, GREETING
from tests.bench.yardstick.sound import Cut
from tests.bench.yardstick.talk import Said, Talk
from tests.bench.yardstick.wire import Mark, Wire
from tests.e2e.ears import Ears
from tests.emulators import speech

NEAR_S = 0.1  # by which a marker and the energy may be apart at most
EARLY_S = 2.0  # by which a synthesis may begin before its turn: never, but clocks are read late


@dataclass(slots=True)
class Turn:
    kind: str
    text: str
    voice: str
    nth: int  # in its call
    wanted: str
    ended: float  # the caller's last sound (monotonic)
    pause_ms: int = 0
    content_ms: float | None = None  # M1c, of the right answer only
    any_ms: float | None = None  # M1a: whatever was heard first
    by: str = ""  # marker, energy
    flagged: bool = False  # matched filter and energy disagree by more than 20 ms
    right: bool = False
    heard: str | None = None  # what was said instead
    filler: bool = False
    cut: Cut = ""
    missed: bool = False
    stop_ms: float | None = None  # M4
    thoughts: int = 0  # requests to the model
    voiced: float = 0.0  # letters sent to the voice, over those of the answer
    gaps: int | None = None
    answer_s: float | None = None


@dataclass(slots=True)
class Row:
    arm: str
    block: int
    caller: str
    status: int = 0
    answer_ms: float | None = None  # M2
    greeting_ms: float | None = None  # M3
    greeting_marked: bool = False
    talked_s: float = 0.0
    ended_by: str = ""
    send_late_ms: list[float] = field(default_factory=list, repr=False)
    turns: list[Turn] = field(default_factory=list)

    def plain(self) -> dict[str, Any]:
        late = self.send_late_ms
        row = asdict(self)
        del row["send_late_ms"]
        return row | {"send_late_p99_ms": float(np.percentile(late, 99)) if late else None}


@dataclass(frozen=True, slots=True)
class Heard:
    """What the agent said between two moments of a call."""

    call: Call
    since: float
    until: float

    @property
    def pcm(self) -> Pcm:
        """Of the whole call."""
        return self.call.heard()

    @property
    def window(self) -> tuple[int, int]:
        line = self.call.audio.timeline
        return line.sample(self.since), min(line.sample(self.until), len(self.pcm))

    def sample(self, moment: float) -> int:
        return self.call.audio.timeline.sample(moment)

    def arrival(self, sample: int) -> float:
        return self.call.audio.timeline.arrival(sample)

    def stretches(self, since: float) -> list[tuple[int, int]]:
        """Where each stretch of speech begins, and where the next one does."""
        begins = sound.onsets(self.pcm, self.sample(since), self.window[1])
        return list(itertools.pairwise([*begins, self.window[1]]))

    def first(self, marks: list[Mark]) -> tuple[int, Mark] | None:
        """The sample at which the first of these begins."""
        found = [(sound.marker_onset(self.pcm, mark.n, *self.window), mark) for mark in marks]
        heard = [(at, mark) for at, mark in found if at is not None]
        return min(heard, key=lambda pair: pair[0]) if heard else None


@dataclass(frozen=True, slots=True)
class Judge:
    wire: Wire
    ears: Ears  # for what carries no marker

    async def row(self, arm: str, block: int, caller: str, talk: Talk) -> Row:
        call = talk.call
        row = Row(arm, block, caller, call.status, call.ms("answered"), ended_by=call.ended_by)
        row.send_late_ms = call.audio.late_ms
        if call.status != 200:
            return row
        row.talked_s = talk.seconds
        self._greeting(row, Heard(call, call.times["answered"], talk.ended))
        ends = [*(said.begun for said in talk.said), talk.ended][1:]
        for nth, (said, until) in enumerate(zip(talk.said, ends, strict=True)):
            row.turns.append(await self._turn(said, Heard(call, said.begun, until), nth))
        return row

    def _greeting(self, row: Row, heard: Heard) -> None:
        """By energy: it is whatever is heard first."""
        at = sound.energy_onset(heard.pcm, heard.window[0])
        if at is None:
            return
        row.greeting_ms = (max(heard.since, heard.arrival(at)) - heard.since) * 1000
        found = heard.first(self.wire.of(GREETING, heard.until))
        row.greeting_marked = found is not None and abs(found[0] - at) < NEAR_S * RATE

    async def _turn(self, said: Said, heard: Heard, nth: int) -> Turn:
        item = said.item
        turn = Turn(item.kind, item.text, item.voice, nth, item.answer, said.end, item.pause_ms)
        turn.missed = not said.heard
        turn.thoughts = self.wire.thoughts(heard.since, heard.until)
        letters = self.wire.letters(heard.since, heard.until)
        turn.voiced = letters / len(item.answer + item.second_answer)
        begins = [heard.arrival(at) for at in sound.onsets(heard.pcm, *heard.window)]
        turn.cut = sound.cut_off(begins, said.pause, said.end)
        turn.any_ms = next(((at - said.end) * 1000 for at in begins if at >= said.end), None)
        turn.filler = heard.first(self.wire.of(FILLER, heard.until)) is not None
        await self._content(turn, said, heard)
        if said.barged is not None:
            turn.stop_ms = _stop_ms(heard, said.barged)
            second = self._marks(item.second_answer, heard, ever=False)
            turn.right = turn.right and heard.first(second) is not None
        return turn

    def _marks(self, answer: str, heard: Heard, *, ever: bool) -> list[Mark]:
        """The markers with which an answer may begin. `ever`: it may have been prepared."""
        since = 0.0 if ever else heard.since - EARLY_S
        return [mark for mark in self.wire.of(answer, heard.until) if mark.at >= since]

    # --- which answer was heard, and when ---------------------------------------------------------

    async def _content(self, turn: Turn, said: Said, heard: Heard) -> None:
        found = heard.first(self._marks(turn.wanted, heard, ever=turn.kind == "faq"))
        if found is None:
            self._something_else(turn, said, heard)
            return
        at, mark = found
        turn.by, turn.right, turn.heard = "marker", True, mark.text
        turn.flagged = not sound.agrees(heard.pcm, at)
        turn.content_ms = (heard.arrival(at) - said.end) * 1000
        if turn.kind != "barge":
            await self._smoothness(turn, heard, at, mark)

    def _something_else(self, turn: Turn, said: Said, heard: Heard) -> None:
        """Another answer, or one whose beginning was lost; our ears tell by its words."""
        other = heard.first(self.wire.marked(heard.since - EARLY_S, heard.until))
        if other is not None:
            turn.by, turn.heard = "marker", other[1].text
            return
        for at, until in heard.stretches(said.end):
            turn.by = "energy"
            turn.heard = self.ears.line(np.array(heard.pcm[at:until]))
            turn.right = turn.heard == turn.wanted
            if turn.right:
                turn.content_ms = (heard.arrival(at) - said.end) * 1000
                return

    async def _smoothness(self, turn: Turn, heard: Heard, at: int, mark: Mark) -> None:
        """Silences which are not in what was synthesised."""
        answer = heard.pcm[at : heard.window[1]]
        answer = answer[: audio.speech_end(answer)]
        turn.answer_s = len(answer) / RATE
        pieces = self.wire.pieces(mark, turn.wanted, heard.until)
        if pieces is not None:
            turn.gaps = sound.gaps(answer, await _reference(pieces))


async def _reference(pieces: list[tuple[str, int]]) -> Pcm:
    """What the emulators made of the pieces, at the telephone's rate."""
    parts: list[Pcm] = []
    for text, n in pieces:
        parts += [speech.marker(n, RATE)] if n else []
        parts.append(await speech.spoken(text, RATE))
    return np.concatenate(parts)


def _stop_ms(heard: Heard, barged: float) -> float | None:
    """From the caller's interrupting sound to the last one of the answer he spoke into."""
    start = heard.sample(barged)
    stop = sound.speech_end(heard.pcm[: heard.window[1]], start)
    if stop is None or stop <= start:
        return None  # it had ended by itself
    return (heard.arrival(stop - 1) - barged) * 1000
