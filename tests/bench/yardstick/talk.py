"""One call of a caller who asks what is on his list. All moments are of `time.monotonic()`."""

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from telephony.caller import audio
from telephony.caller.audio import RATE, Pcm
from telephony.caller.call import Call, CallFailed
from telephony.caller.speech import speak
from tests.bench.yardstick import sound
from tests.bench.yardstick.scenario import Item

ANSWER_S = 10.0  # whoever rings longer has not been answered
MISSED_S = 5.0
REPLY_S = 25.0
QUIET_MS = 700  # so long an agent is silent before the caller goes on …
PATIENT_MS = 1500  # … where what was heard may not have been the answer
SHORT_S = 1.9  # … as when it was so short: fillers are
BARGE_S = 2.5  # into a long answer
SETTLE_S = 0.3  # after a greeting
LOOK_S = 0.05

_voices: dict[tuple[str, str], Pcm] = {}


async def voice(text: str, name: str) -> Pcm:
    """Spoken once a run."""
    if (text, name) not in _voices:
        _voices[text, name] = await speak(text, name)
    return _voices[text, name]


@dataclass(slots=True)
class Said:
    """One turn of the caller as it went."""

    item: Item
    begun: float  # the first sample of his speech
    end: float  # the last loud one
    pause: tuple[float, float] | None = None  # in the middle: last loud sample, next first one
    barged: float | None = None  # when he began to speak into the answer
    barge_end: float | None = None
    first: float | None = None  # when the agent began to speak, if within 5 s

    @property
    def heard(self) -> bool:
        return self.first is not None

    @property
    def wait_ms(self) -> float | None:
        """By ear: until anything was heard."""
        return None if self.first is None else (self.first - self.end) * 1000


@dataclass(slots=True)
class Talk:
    call: Call
    said: list[Said] = field(default_factory=list)
    ended: float = 0.0

    @property
    def seconds(self) -> float:
        """Answer to end; 0 if it was not answered."""
        answered = self.call.times.get("answered")
        return 0.0 if answered is None else self.ended - answered


async def prepare(items: list[Item]) -> None:
    """Speaking costs CPU: not during a call."""
    for item in items:
        for text in (item.text, item.second):
            if text:
                await voice(text, item.voice)


async def hold(call: Call, items: Iterable[Item]) -> Talk:
    """Wait for the answer and the greeting, say everything, hang up."""
    talk = Talk(call)
    if await greeted(talk):
        for item in items:
            if call.ended.is_set():
                break
            talk.said.append(await say(call, item))
    talk.ended = time.monotonic()
    await call.hang_up()
    return talk


async def greeted(talk: Talk) -> bool:
    """Whether the call was answered; after its greeting."""
    try:
        await talk.call.answered(ANSWER_S)
    except CallFailed:
        return False
    await talk.call.quiet(QUIET_MS, REPLY_S)
    await asyncio.sleep(SETTLE_S)
    return True


async def say(call: Call, item: Item) -> Said:
    said = await _speak(call, item)
    said.first = await _hears(call, said.end, MISSED_S)
    if said.heard and item.kind == "barge":
        await _barge(call, said)
    if said.heard:
        await _let_finish(call, said)
    return said


async def _speak(call: Call, item: Item) -> Said:
    first = await voice(item.text, item.voice)
    if item.kind != "pause":
        begun = await call.audio.play(first)
        return Said(item, begun, begun + audio.speech_end(first) / RATE)
    whole, places = joined(first, await voice(item.second, item.voice), item.pause_ms)
    begun = await call.audio.play(whole)
    last, again, end = (begun + place / RATE for place in places)
    return Said(item, begun, end, pause=(last, again))


def joined(first: Pcm, second: Pcm, pause_ms: int) -> tuple[Pcm, tuple[int, int, int]]:
    """Both with a silence of exactly so long between their sounds; where it begins and ends (in
    samples), and where the last sound is."""
    last = audio.speech_end(first)
    lead = sound.energy_onset(second) or 0
    pause = round(pause_ms * RATE / 1000)
    whole = np.concatenate([first[:last], np.zeros(pause, np.int16), second[lead:]])
    return whole, (last, last + pause, audio.speech_end(whole))


async def _hears(call: Call, since: float, timeout_s: float) -> float | None:
    """When the agent speaks after `since`, if in time."""
    while time.monotonic() < since + timeout_s and not call.ended.is_set():
        if (first := call.first_speech_after(since)) is not None:
            return first
        await asyncio.sleep(LOOK_S)
    return None


async def _let_finish(call: Call, said: Said) -> None:
    since = said.barge_end or said.end
    await call.quiet(QUIET_MS, REPLY_S, since=since)
    heard = call.heard_since(since)
    length = (audio.speech_end(heard) - (audio.onset(heard) or 0)) / RATE
    if said.item.kind in ("pause", "barge") or length < SHORT_S:
        await call.quiet(PATIENT_MS, REPLY_S, since=since)


async def _barge(call: Call, said: Said) -> None:
    assert said.first is not None
    await asyncio.sleep(max(0.0, said.first + BARGE_S - time.monotonic()))
    pcm = await voice(said.item.second, said.item.voice)
    begun = await call.audio.play(pcm)
    said.barged = begun + (sound.energy_onset(pcm) or 0) / RATE
    said.barge_end = begun + audio.speech_end(pcm) / RATE
    await _hears(call, said.barge_end, MISSED_S)
