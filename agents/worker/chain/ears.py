"""The session's voice detector, which may be told that the caller has surely finished.

A detector waits for its silence whatever was said. Once the words are known to be whole, a shorter
one will do: the end of speech is reported then, and the detector's own later one is kept back.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from livekit import rtc
from livekit.agents import vad

LEAST_S = 0.06  # two windows in which nobody spoke

Event = vad.VADEvent
Kind = vad.VADEventType


@dataclass(slots=True)
class Segment:
    """What the session hears of one detector's events. Pure."""

    resume_s: float  # so much speech after an early end is a new beginning
    ended_after_s: float = 0.0  # silence at the last end of speech
    _last: Event | None = None  # while he speaks
    _cut: bool = False
    _before_s: float = 0.0  # speech which was over before he went on

    def feed(self, event: Event) -> Iterator[Event]:
        if event.type == Kind.START_OF_SPEECH:
            self.forget()
            self._last = event
            yield event
        elif event.type == Kind.END_OF_SPEECH:
            was_cut, self._last, self._cut = self._cut, None, False
            if not was_cut:
                self.ended_after_s = event.silence_duration
                yield self._later(event)
        elif self._cut:
            yield from self._after_cut(event)
        else:
            self._last = event if event.speaking else self._last
            yield self._later(event)

    def _after_cut(self, event: Event) -> Iterator[Event]:
        spoke = event.raw_accumulated_speech
        if spoke < self.resume_s:
            yield replace(event, speaking=False, speech_duration=0.0)
            return
        self._cut, self._last = False, event
        self._before_s = event.speech_duration - spoke
        yield replace(event, type=Kind.START_OF_SPEECH, speech_duration=spoke)
        yield self._later(event)

    def _later(self, event: Event) -> Event:
        return replace(event, speech_duration=max(0.0, event.speech_duration - self._before_s))

    def forget(self) -> None:
        self._last, self._cut, self._before_s = None, False, 0.0

    def end(self, quiet_s: float) -> Event | None:
        """The end of speech, if the detector hears none just now."""
        last = self._last
        if last is None or self._cut or last.raw_accumulated_silence < LEAST_S:
            return None
        self._cut, self.ended_after_s = True, quiet_s
        spoke = max(0.0, self._later(last).speech_duration - quiet_s)
        return replace(
            last, type=Kind.END_OF_SPEECH, speaking=False, silence_duration=quiet_s,
            speech_duration=spoke, inference_duration=0.0,
        )  # fmt: skip


class Ears(vad.VAD):
    def __init__(self, inner: vad.VAD, *, resume_s: float) -> None:
        super().__init__(capabilities=inner.capabilities)
        self._inner = inner
        self._resume_s = resume_s
        self._stream: _EarsStream | None = None  # a session listens with the newest one

    @property
    def model(self) -> str:
        return self._inner.model

    @property
    def provider(self) -> str:
        return self._inner.provider

    @property
    def min_silence_duration(self) -> float | None:
        return getattr(self._inner, "min_silence_duration", None)

    def stream(self) -> vad.VADStream:
        self._stream = _EarsStream(self, self._inner.stream(), Segment(self._resume_s))
        return self._stream

    def ended_after_s(self) -> float:
        """How long he had been silent when his speech last counted as ended."""
        return self._stream.segment.ended_after_s if self._stream else 0.0

    def end(self, quiet_s: float) -> bool:
        """The caller has finished; `quiet_s` ago. False if nobody believes that he spoke."""
        return self._stream is not None and self._stream.end(quiet_s)


class _EarsStream(vad.VADStream):
    def __init__(self, ears: Ears, inner: vad.VADStream, segment: Segment) -> None:
        self._inner = inner
        self.segment = segment
        super().__init__(ears)

    def push_frame(self, frame: rtc.AudioFrame) -> None:
        self._inner.push_frame(frame)

    def flush(self) -> None:
        self.segment.forget()
        self._inner.flush()

    def end_input(self) -> None:
        self._inner.end_input()
        self._input_ch.close()

    def end(self, quiet_s: float) -> bool:
        ended = self.segment.end(quiet_s)
        if ended is None or self._event_ch.closed:
            return False
        self._event_ch.send_nowait(ended)
        return True

    async def _main_task(self) -> None:
        async for event in self._inner:
            for heard in self.segment.feed(event):
                self._event_ch.send_nowait(heard)

    async def aclose(self) -> None:
        await self._inner.aclose()
        await super().aclose()
