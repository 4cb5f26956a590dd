"""The echo line: says a sentence, then gives the caller his own voice back. For test calls.

Such a call has no plan, no journal and no recording; it only shows that sound goes both ways.
"""

import asyncio
import contextlib
import json
import logging

from livekit import rtc
from livekit.agents import AutoSubscribe, JobContext

from agents.worker.config import Config
from agents.worker.embedded import flite
from agents.worker.farewell import Farewell
from agents.worker.line import Ear, Mouth
from agents.worker.prepared import Prepared, read_wav, write_wav

log = logging.getLogger(__name__)

WORDS = "This is the echo line. You now hear yourself."
JOIN_S, ANSWER_S, ECHO_S = 10.0, 20.0, 60.0


def is_asked(metadata: str) -> bool:
    """Whether a dispatch wants the echo line instead of a plan."""
    try:
        told = json.loads(metadata)
    except ValueError:
        return False
    return isinstance(told, dict) and told.get("echo") is True


async def make_announcement(config: Config) -> None:
    path = config.data_dir / "echo.wav"
    if not path.exists():
        pcm = await flite.speak(WORDS, voice="slt")
        write_wav(path, rtc.AudioFrame(pcm, flite.RATE, 1, len(pcm) // 2))


async def run(ctx: JobContext, config: Config) -> None:
    """The whole call. Returns when it is over."""
    call = _Echo(ctx, config)
    try:
        await call.talk()
    finally:
        await call.aclose()
        ctx.shutdown("echo")


class _Echo:
    def __init__(self, ctx: JobContext, config: Config) -> None:
        self._ctx, self._config = ctx, config
        self._mouth, self._ear = Mouth(), Ear()
        self._farewell = Farewell(ctx, config, self._mouth)
        self._answered, self._gone = asyncio.Event(), asyncio.Event()
        self._echoing = False

    async def talk(self) -> None:
        room = self._ctx.room
        room.on("track_subscribed", self._on_track)
        room.on("participant_attributes_changed", lambda _, who: self._look(who))
        room.on("participant_disconnected", lambda who: self._gone.set())
        room.on("disconnected", lambda *_: self._gone.set())
        await self._ctx.connect(auto_subscribe=AutoSubscribe.AUDIO_ONLY)
        await self._mouth.publish(room.local_participant)
        with contextlib.suppress(TimeoutError, RuntimeError):
            async with asyncio.timeout(JOIN_S + ANSWER_S):
                kinds = [rtc.ParticipantKind.PARTICIPANT_KIND_SIP]
                caller = await self._ctx.wait_for_participant(kind=kinds)
                self._take_tracks(caller)
                self._look(caller)
                await self._answered.wait()
        if self._answered.is_set() and not self._gone.is_set():
            await self._speak_and_echo()
        await self._farewell.delete_room()

    async def _speak_and_echo(self) -> None:
        echo = asyncio.create_task(self._echo())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ECHO_S):
                await self._announce()
                self._echoing = True
                await self._gone.wait()
        echo.cancel()

    async def _announce(self) -> None:
        try:
            sound = Prepared({WORDS: read_wav(self._config.data_dir / "echo.wav")})
        except OSError:
            log.warning("The echo line has no announcement")
            return
        for frame in sound.frames(WORDS):
            await self._mouth.capture_frame(frame)
        self._mouth.flush()
        await self._mouth.drained()

    async def _echo(self) -> None:
        """What comes before the announcement is over is not given back."""
        async for frame in self._ear:
            if self._echoing:
                await self._mouth.capture_frame(frame)

    def _look(self, who: rtc.Participant) -> None:
        if who.attributes.get("sip.callStatus") == "active":
            self._answered.set()

    def _take_tracks(self, caller: rtc.RemoteParticipant) -> None:
        for publication in caller.track_publications.values():
            if publication.track is not None:
                self._ear.listen(publication.track)

    def _on_track(self, track: rtc.Track, *_: object) -> None:
        self._ear.listen(track)

    async def aclose(self) -> None:
        await self._ear.aclose()
        await self._mouth.aclose()
