"""One call, in the job's own process: plan, pipeline, journal, line, recorder, bot."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from livekit import rtc
from livekit.agents import AutoSubscribe, JobContext
from livekit.agents.voice import CloseEvent, CloseReason

from agents.menus import KEYS
from agents.worker import admission, echo, leftovers, people, plans, pulse
from agents.worker.bot import Bot
from agents.worker.cast import Cast
from agents.worker.chain.health import SharedHealth
from agents.worker.config import Config
from agents.worker.dial import Dialler, NotDialled, outbound_in
from agents.worker.farewell import Farewell
from agents.worker.journal import Journal
from agents.worker.line import Ear, Mouth
from agents.worker.opening import Opening
from agents.worker.porter import Porter
from agents.worker.recorder import Recorder
from agents.worker.taping import Taping
from agents.worker.through import Through

log = logging.getLogger(__name__)

JOIN_S = 10.0
SILENT_S = 2.0  # who was here for so long and sent no sound has a broken line


async def take_call(ctx: JobContext) -> None:
    """The job's entry point. Returns when the line stands; the call ends by itself."""
    if echo.is_asked(ctx.job.metadata):
        await echo.run(ctx, ctx.proc.userdata["config"])
        return
    call = PhoneCall(ctx, ctx.proc.userdata["config"])
    ctx.proc.userdata["call"] = call
    await admission.turn(ctx._info.accept_arguments.metadata)
    await call.open()


async def after_call(ctx: JobContext) -> None:
    """The session is closed: write the rest and let go."""
    call: PhoneCall | None = ctx.proc.userdata.get("call")
    if call is not None:
        await call.finish()


class PhoneCall:
    def __init__(self, ctx: JobContext, settings: Config) -> None:
        self._ctx = ctx
        self._config = settings
        self._journal = Journal(
            settings.journal_dir, ctx.job.id, make_room=partial(leftovers.make_room, settings)
        )
        self._journal.hold()
        self._mouth = Mouth()
        self._farewell = Farewell(ctx, settings, self._mouth)
        self._health = SharedHealth(settings.redis_url)
        self._ear = Ear()
        self._through = Through(
            ctx, settings, self._journal, self._ear, self._mouth,
            start=self._start, end=self.end, sent_on=self._sent_on,
        )  # fmt: skip
        self._porter = Porter(
            ctx, settings, self._journal, self._mouth, self._farewell, self._through
        )
        self._taping = Taping(
            settings, ctx.job.room.name, ctx.job.id, self._journal, on_begun=self._record
        )
        self._cast = Cast(settings, self._journal, self._health, self._ear, self._mouth)
        self._cast.end, self._cast.give_up, self._cast.facts = (
            self.end, self.give_up, self._porter.facts,
        )  # fmt: skip
        self._cast.room, self._cast.pauses = ctx.job.room.name, self._taping.pauses
        self._cast.on_error, self._cast.on_close = self._on_error, self._on_close
        self._caller: rtc.RemoteParticipant | None = None
        self._answered: tuple[float, int] | None = None  # monotonic, journal's ms
        self._picked_up = asyncio.Event()
        self._ready = False
        self._gave_up = False
        self._ended: float | None = None  # monotonic
        self._reason = ""
        self._listening = False
        self._heard = False  # anything at all from the caller
        self._finished = False
        self._publishing: asyncio.Task[None] | None = None
        outbound = outbound_in(ctx.job.metadata)
        self._dialler = Dialler(ctx, settings, outbound) if outbound else None
        self._tasks: set[asyncio.Task[None]] = set()

    # --- setting up ------------------------------------------------------------------------------

    async def open(self) -> None:
        """What takes the CPU is done while the network is waited for: the caller is ringing."""
        self._follow_room(self._ctx.room)
        digest = plans.digest_in(self._ctx.job.metadata)
        if not self._dialler:
            self._porter.ask(digest)
        joining = asyncio.create_task(self._join())
        plan, _ = await asyncio.gather(self._cast.load(digest), self._health.look())
        trouble = await self._cast.prepare(plan, digest)
        self._caller = caller = await joining
        if people.another_agent(self._ctx.room):
            await self._withdraw()
            return
        if self._dialler and caller is None:
            try:
                self._caller = caller = await self._dialler.reach(trouble)
            except NotDialled:
                await self._withdraw()
                return
        if caller and self._porter.decision.plan not in {"", digest} and not self._reason:
            digest = self._porter.decision.plan
            trouble = await self._cast.change(digest)
        self._write_opened(digest)
        if self._dialler:
            self._start(self._dialler.follow(self._journal, self.end))
        if caller is None or self._reason:
            if not self._dialler:
                self.end("abandoned")
            return
        self._porter.write_down()
        if self._porter.refuses:
            self._reason = self._porter.decision.reason
            await self._porter.refuse(caller)
            self._gone(self._reason)
            return
        if trouble:
            self._fall_back(trouble)
        self._take_tracks(caller)
        if self._publishing:
            await self._publishing
        self._ready = True
        self._look_whether_answered(caller)

    async def _withdraw(self) -> None:
        """Leave the call to the agent who is there, without a trace in the journals."""
        log.warning("Another agent is in the call; this one leaves")
        self._finished = True
        self._reason = "withdrawn"
        self._journal.discard()
        await self._ear.aclose()
        await self._mouth.aclose()
        if self._cast.talk:
            await self._cast.talk.aclose()
        self._ctx.shutdown("another agent is in the call")

    async def _join(self) -> rtc.RemoteParticipant | None:
        """The caller, or nothing if he has gone already."""
        await self._ctx.connect(auto_subscribe=AutoSubscribe.AUDIO_ONLY)
        line = self._ctx.room.local_participant
        if self._dialler and not people.telephones(self._ctx.room):
            self._publishing = asyncio.create_task(self._mouth.publish(line))
            return None  # we are to dial
        try:
            async with asyncio.timeout(JOIN_S):
                caller = await people.caller(self._ctx.room)
        except (TimeoutError, RuntimeError):
            return None
        if not self._dialler:
            await self._porter.decide(caller)
        # the caller is answered once he hears this track: it goes out while the rest is built
        if not self._porter.refuses:
            self._publishing = asyncio.create_task(self._mouth.publish(line))
        return caller

    def _fall_back(self, detail: str) -> None:
        """No plan, no bot: the caller hears an apology of ours."""
        log.error("A call cannot be served", extra={"job": self._ctx.job.id, "error": detail})
        self._journal.write("error", what="plan", detail=detail)

    def _write_opened(self, digest: str) -> None:
        attributes = dict(self._caller.attributes) if self._caller else {}
        self._journal.write(
            "opened", room=self._ctx.room.name or self._ctx.job.room.name, job=self._ctx.job.id,
            sip_call_id=attributes.get("sip.callID", ""),
            caller=attributes.get("sip.phoneNumber", ""),
            called=attributes.get("sip.trunkPhoneNumber", ""),
            trunk=attributes.get("sip.trunkID", ""), plan=digest, worker=self._ctx.worker_id,
        )  # fmt: skip

    # --- what the room reports -------------------------------------------------------------------

    def _follow_room(self, room: rtc.Room) -> None:
        room.on("track_subscribed", self._on_track)
        room.on("participant_attributes_changed", self._on_attributes)
        room.on("participant_disconnected", self._on_left)
        room.on("sip_dtmf_received", self._on_digit)
        self._through.follow(room)
        self._taping.follow(room)
        room.on("disconnected", lambda *_: self.end("unknown"))

    def _is_caller(self, participant: rtc.Participant) -> bool:
        return self._caller is not None and participant.identity == self._caller.identity

    def _take_tracks(self, caller: rtc.RemoteParticipant) -> None:
        """Those which were there before we looked."""
        for publication in caller.track_publications.values():
            if publication.track is not None:
                self._on_track(publication.track, publication, caller)

    def _on_track(self, track: rtc.Track, _: object, participant: rtc.RemoteParticipant) -> None:
        if self._is_caller(participant) and not self._listening:
            self._listening = True
            self._ear.listen(track)
            self._start(self._feel_pulse(participant, track))

    async def _feel_pulse(self, caller: rtc.RemoteParticipant, track: rtc.Track) -> None:
        if self._dialler:  # while it rings nothing comes, and LiveKit tells when that is over
            await self._picked_up.wait()
        last = await pulse.gone(self._ctx.room, caller, track, on_packets=self._on_packets)
        log.info("A caller is gone and the room did not notice", extra={"job": self._ctx.job.id})
        self._caller_left(last)

    def _on_packets(self) -> None:
        self._heard = True

    def _on_attributes(self, _: object, participant: rtc.Participant) -> None:
        if self._is_caller(participant):
            self._look_whether_answered(participant)

    def _on_left(self, participant: rtc.RemoteParticipant) -> None:
        if not self._is_caller(participant):
            return
        if self._dialler and not self._answered:
            self._start(self._dialler.left(self.end))
        else:
            self._caller_left(time.monotonic())

    def _caller_left(self, at: float) -> None:
        if self._answered:
            self._through.transfer.caller_left(at)
        else:
            self.end("abandoned", at=at)

    def _on_digit(self, event: rtc.SipDTMF) -> None:
        """A colleague's keys are not the caller's. LiveKit writes a to d."""
        from_caller = event.participant is None or self._is_caller(event.participant)
        digit = event.digit.upper()
        if not from_caller or not digit or digit not in KEYS:
            return
        self._porter.digit(digit)
        if self._cast.bot and self._answered:
            self._cast.bot.digit(digit)

    def _on_error(self, event: Any) -> None:
        if self._cast.bot and self._answered and not getattr(event.error, "recoverable", False):
            self._cast.bot.failed()

    def _on_close(self, event: CloseEvent) -> None:
        if event.reason == CloseReason.ERROR and not self._gave_up:
            self._start(self._apologise())

    # --- the call --------------------------------------------------------------------------------

    def _look_whether_answered(self, caller: rtc.Participant) -> None:
        """Not before everything is there: a plan may be changed while the telephone is answered."""
        active = caller.attributes.get("sip.callStatus") == "active"
        if not self._ready or self._answered or self._reason or not active:
            return
        now = time.monotonic()
        self._answered = (now, self._journal.ms())
        self._picked_up.set()
        plan, talks = self._cast.plan, self._porter.talks and not self._gave_up
        wanted = self._porter.is_recorded(plan, talks=talks)
        self._taping.answered(plan, self._cast.bot, wanted=wanted, talks=talks)
        if self._gave_up:  # an apology follows, no greeting
            pass
        elif self._porter.decision.action != "answer" and not people.side_leg(self._ctx.room):
            self._start(self._carry_out(caller))
        elif self._cast.bot and self._caller:
            self._through.begin(self._caller, self._cast.bot, self._first_words(self._cast.bot))
        else:
            self._start(self._apologise())
        self._journal.write("answered")

    def _first_words(self, bot: Bot) -> Callable[[], object]:
        """Of a call we made, only once it is known who answered."""
        order = self._dialler.order if self._dialler else None
        if order is None:
            return bot.answered
        bot.facts = lambda: order.variables
        return lambda: self._start(Opening(order, bot, self._ear, self._journal).run())

    async def _carry_out(self, caller: rtc.Participant) -> None:
        """What the number's policy says instead of a conversation."""
        reason = await self._porter.serve(
            self._cast.talk, caller, self._cast.plan, self._cast.folder
        )
        if reason:
            self.end(reason)

    def _record(self, recorder: Recorder) -> None:
        self._mouth.tap = self._ear.tap = self._through.recorder = recorder

    async def _apologise(self) -> None:
        try:
            await self._farewell.apologise(self._cast.plan, self._cast.folder)
        finally:
            self.end("error")

    def end(self, reason: str, *, at: float | None = None) -> None:
        """Whatever comes first is the reason. `at`: when it happened (monotonic), default now."""
        if self._reason:
            return
        at = at or time.monotonic()
        self._reason = self._porter.reason(self._named(reason, at))
        if self._cast.bot:
            self._cast.bot.stop()
        if reason in {"caller", "abandoned", "unknown", "transferred"}:
            self._ended = at
            self._start(self._porter.let_go(self._ear, self._reason))
        else:
            self._start(self._hang_up(self._reason))

    def _named(self, reason: str, at: float) -> str:
        """Whoever never sent a sound could not be heard, whatever he did then."""
        begun = self._answered[0] if self._answered else at
        unheard = not self._heard and at - begun >= SILENT_S
        return "no_media" if unheard and reason in {"caller", "silence"} else reason

    def _sent_on(self) -> None:
        """The carrier has him; LiveKit says good-bye in a second."""
        self._farewell.hung_up = True
        self._reason = self._reason or "transferred"
        if self._cast.bot:
            self._cast.bot.stop()
        self._gone(self._reason)

    async def _hang_up(self, reason: str) -> None:
        await self._farewell.hang_up()
        self._gone(reason)

    def _gone(self, reason: str) -> None:
        self._ended = time.monotonic()
        self._ctx.shutdown(reason)

    def give_up(self, role: str) -> None:
        """No provider of a role works: an apology, then another telephone or the end."""
        self._journal.write("error", what=role, detail="Every provider of this chain is down.")
        self._gave_up = True
        self._start(self._give_up())

    async def _give_up(self) -> None:
        with contextlib.suppress(TimeoutError):  # while it rings nobody hears an apology
            await asyncio.wait_for(self._picked_up.wait(), JOIN_S)
        if self._cast.talk:
            await self._cast.talk.interrupt()
        await self._farewell.apologise(self._cast.plan, self._cast.folder)
        number = self._cast.plan.fallback_number if self._cast.plan else ""
        if not (number and self._caller and await self._porter.forward(self._caller, number)):
            self.end("providers")

    # --- the end ---------------------------------------------------------------------------------

    async def finish(self) -> None:
        """Write the recording and the last entries. The caller has gone, or goes now."""
        if self._finished:
            return
        self._finished = True
        self._reason = self._reason or "shutdown"
        if people.telephones(self._ctx.room) and not self._farewell.hung_up:
            await self._farewell.delete_room()
        ended = self._ended or time.monotonic()
        for task in (*self._tasks, *([self._publishing] if self._publishing else [])):
            task.cancel()
        await self._ear.aclose()
        await self._through.aclose()
        await self._taping.finish(ended)
        self._write_closed(ended)
        self._journal.release()
        await self._mouth.aclose()
        if self._cast.talk:
            await self._cast.talk.aclose()
        if self._dialler:
            await self._dialler.aclose()
        await self._health.aclose()
        await self._porter.aclose()

    def _write_closed(self, ended: float) -> None:
        # a caller without sound was last heard before he was answered
        talked = max(0, round((ended - self._answered[0]) * 1000)) if self._answered else 0
        self._journal.write(
            "closed", reason=self._reason, answered=self._answered is not None, talked_ms=talked
        )

    def _start(self, work: Any) -> None:
        task: asyncio.Task[None] = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
