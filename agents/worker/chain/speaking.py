"""The chain of voices: an answer is spoken to its end, whichever voice fails on the way."""

import asyncio
import re
import time
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable

from livekit import rtc
from livekit.agents.types import USERDATA_TIMED_TRANSCRIPT
from livekit.agents.utils import aio
from livekit.agents.voice.transcription.filters import filter_emoji, filter_markdown

from agents.worker.chain.clauses import pieces
from agents.worker.chain.members import BROKE_OFF, ONCE, Chain, Member, reason_of
from agents.worker.chain.race import Attempt, Broken, Race

RATE = 16_000  # Hz, of the line
FIRST_S = 0.4  # without a sound for so long, the next voice is asked too
RESERVE_S = 0.25  # when so little unheard sound is left and no more comes, the voice has stalled
GAP_S = 0.4  # … but voices which are no faster than speech come in pieces
LETTERS_PER_S = 14.0  # until a voice has shown how fast it speaks
CUT_FROM_S, CUT_SHARE = 1.0, 0.45  # a piece shorter than this share of its length broke off
CUT_WORD_S = 0.12  # sound of a word that was cut off: shorter, and nobody has heard the word

# emphasis and code which go on in the next piece
_STRAY = re.compile(r"\*{2,}|`+|(?<!\w)\*(?=\w)|(?<=\w)\*(?!\w)")

Sound = rtc.AudioFrame


class Voice:
    """`said(member, text)` hears what was spoken by whom, for the bill."""

    def __init__(self, chain: Chain, *, first_clause: bool = True) -> None:
        self._chain = chain
        self._first_clause = first_clause
        self._speed: dict[str, float] = {}  # member's id → letters a second
        self._broken: list[Member] = []  # in this call: a voice that changes back irritates
        self.serving: Member = chain.order()[0]

    async def speak(self, text: AsyncIterable[str]) -> AsyncGenerator[Sound, None]:
        """Raises AllDown if no voice can speak. Each piece is made while the one before plays."""
        ready: aio.Chan[Sound] = aio.Chan(maxsize=0)
        maker = asyncio.create_task(self._make(text, ready))
        maker.add_done_callback(lambda _: ready.close())
        try:
            async for sound in ready:
                yield sound
            await maker
        finally:
            await aio.cancel_and_wait(maker)

    async def _make(self, text: AsyncIterable[str], ready: "aio.Chan[Sound]") -> None:
        playing, line = _Playing(), _Narrow()
        async for piece in pieces(text, first_clause=self._first_clause):
            async for sound in self._say(await speakable(piece), playing):
                playing.add(sound)
                for part in line.push(sound):
                    ready.send_nowait(part)
        for part in line.flush():
            ready.send_nowait(part)

    async def _say(self, piece: str, playing: "_Playing") -> AsyncGenerator[Sound, None]:
        left = piece
        while left.strip():
            members = self._members()
            progress = _Progress(left)
            race = self._race(members, left, progress, playing)
            try:
                async for sound in race.run():
                    progress.add(sound)
                    yield sound
                self._stay_with(race.winner, members)
                if race.winner is None or not self._is_cut(race.winner.member, progress):
                    self._learn(race.winner, progress)
                    return
                failed, since, reason = race.winner.member, race.winner.began, BROKE_OFF
            except Broken as what:
                failed, since = what.attempt.member, what.attempt.began
                reason = reason_of(what.error, begun=True)
            left = progress.unspoken(self._letters_per_s(failed))
            self._give_up(failed, reason, since)

    def _stay_with(self, winner: Attempt[Sound] | None, members: list[Member]) -> None:
        """Those which were late are not waited for again: a voice that changes back irritates."""
        if winner is not None:
            self._broken += members[: members.index(winner.member)]

    def _letters_per_s(self, member: Member) -> float:
        return self._speed.get(member.id, LETTERS_PER_S)

    def _is_cut(self, member: Member, progress: "_Progress") -> bool:
        """It ended without complaint, but nobody speaks that fast."""
        expected = len(progress.text.strip()) / self._letters_per_s(member)
        return expected > CUT_FROM_S and progress.seconds < CUT_SHARE * expected

    def _members(self) -> list[Member]:
        order = self._chain.order()
        return [m for m in order if m not in self._broken] or order

    def _give_up(self, failed: Member, reason: str, since: float) -> None:
        self._broken.append(failed)
        others = [m for m in self._members() if m is not failed]
        self._chain.moved(failed, others[0] if others else None, reason, since)

    def _race(
        self, members: list[Member], text: str, progress: "_Progress", playing: "_Playing"
    ) -> Race[Sound]:
        def gap() -> float:
            """Until what was made has been heard, but for a reserve."""
            return max(GAP_S, playing.left_s() - RESERVE_S)

        def counts(sound: Sound) -> bool:
            return sound.samples_per_channel > 0

        return Race(
            self._chain, members, lambda member: synthesised(member, text),
            patience_s=FIRST_S, gap_s=gap, counts=counts,
        )  # fmt: skip

    def _learn(self, winner: Attempt[Sound] | None, progress: "_Progress") -> None:
        if winner is None:
            return
        self.serving = winner.member
        if progress.seconds > 1.0:
            self._speed[winner.member.id] = len(progress.text) / progress.seconds

    def prewarm(self) -> None:
        for member in self._chain.order()[:2]:
            member.engine.prewarm()


async def speakable(piece: str) -> str:
    """Without markup and emoji. The session does this too, but holds back each clause until the
    next one has begun: 0.1 s in which the caller waits."""

    async def whole() -> AsyncGenerator[str, None]:
        yield piece

    return _STRAY.sub("", "".join([part async for part in filter_emoji(filter_markdown(whole()))]))


async def synthesised(member: Member, text: str) -> AsyncIterator[Sound]:
    """One piece by one voice; no retry."""
    if member.engine.capabilities.streaming:
        async with member.engine.stream(conn_options=ONCE) as stream:
            stream.push_text(text)
            stream.end_input()
            async for event in stream:
                yield event.frame
    else:
        async with member.engine.synthesize(text, conn_options=ONCE) as stream:
            async for event in stream:
                yield event.frame


class _Narrow:
    """All voices at the rate of the line; they come at rates of their own."""

    def __init__(self) -> None:
        self._resampler: rtc.AudioResampler | None = None
        self._rate = RATE

    def push(self, sound: Sound) -> list[Sound]:
        before: list[Sound] = []
        if sound.sample_rate != self._rate:
            before, self._rate = self.flush(), sound.sample_rate
            if self._rate != RATE:
                self._resampler = rtc.AudioResampler(self._rate, RATE)
        return [*before, *(self._resampler.push(sound) if self._resampler else [sound])]

    def flush(self) -> list[Sound]:
        last = self._resampler.flush() if self._resampler else []
        self._resampler = None
        return last


class _Playing:
    """How much of what was made has not been heard yet, if playing began with the first sound."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._until = 0.0

    def add(self, sound: Sound) -> None:
        self._until = max(self._until, self._clock()) + sound.duration

    def left_s(self) -> float:
        return max(0.0, self._until - self._clock())


class _Progress:
    """How far one voice came with one piece."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.seconds = 0.0
        self._timed: list[tuple[str, float]] = []  # word, its end in s

    @property
    def sounded(self) -> bool:
        return self.seconds > 0

    def add(self, sound: Sound) -> None:
        self.seconds += sound.duration
        for word in sound.userdata.get(USERDATA_TIMED_TRANSCRIPT) or []:
            end = getattr(word, "end_time", None)
            if isinstance(end, int | float):
                self._timed.append((str(word), float(end)))

    def unspoken(self, letters_per_s: float) -> str:
        """From the first word on of which not all was heard."""
        spans = list(_spans(self.text))
        heard = self._by_time(spans) if self._timed else self._by_speed(spans, letters_per_s)
        return self.text[spans[heard][0] :] if heard < len(spans) else ""

    def _by_time(self, spans: list[tuple[int, int]]) -> int:
        """The provider told when each word ends."""
        return min(len(spans), sum(end <= self.seconds for _, end in self._timed))

    def _by_speed(self, spans: list[tuple[int, int]], letters_per_s: float) -> int:
        reached = (self.seconds - CUT_WORD_S) * letters_per_s
        return sum(end <= reached for _, end in spans)


def _spans(text: str) -> list[tuple[int, int]]:
    """Where each word begins and ends."""
    found: list[tuple[int, int]] = []
    at = 0
    for word in text.split():
        start = text.index(word, at)
        at = start + len(word)
        found.append((start, at))
    return found
