"""One call, in the job's own process: plan, pipeline, journal, line, recorder, bot."""

import asyncio
import contextlib
import logging
import time
from pathlib import Path
from typing import Any

from livekit import rtc
from livekit.agents import AutoSubscribe, JobContext
from livekit.agents.voice import CloseEvent, CloseReason

from agents.plan import CallPlan, PlanError
from agents.seal import SealBroken
from agents.worker import plans, prepare, pulse, spool
from agents.worker.bot import Bot
from agents.worker.chain.health import SharedHealth
from agents.worker.config import Config
from agents.worker.conversation import Conversation
from agents.worker.desk import Desk
from agents.worker.dial import Dialler, NotDialled, outbound_in
from agents.worker.farewell import Farewell
from agents.worker.journal import Journal
from agents.worker.line import Ear, Mouth
from agents.worker.opening import Opening
from agents.worker.recorder import Recorder

log = logging.getLogger(__name__)

JOIN_S = 10.0
PLAN_S = 2.0  # waiting longer for the control plane helps nobody: the caller rings


async def take_call(ctx: JobContext) -> None:
    """The job's entry point. Returns when the line stands; the call ends by itself."""
    call = PhoneCall(ctx, ctx.proc.userdata["config"])
    ctx.proc.userdata["call"] = call
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
        self._journal = Journal(settings.journal_dir, ctx.job.id)
        self._journal.hold()
        self._mouth = Mouth()
        self._farewell = Farewell(ctx, settings, self._mouth)
        self._health = SharedHealth(settings.redis_url)
        self._talk: Conversation | None = None
        self._ear = Ear()
        self._bot: Bot | None = None
        self._recorder: Recorder | None = None
        self._plan: CallPlan | None = None
        self._folder = settings.plans_dir  # … the plan's own in it, once known
        self._caller: rtc.RemoteParticipant | None = None
        self._answered: tuple[float, int] | None = None  # monotonic, journal's ms
        self._picked_up = asyncio.Event()
        self._gave_up = False
        self._ended: float | None = None  # monotonic
        self._reason = ""
        self._listening = False
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
        joining = asyncio.create_task(self._join())
        plan, _ = await asyncio.gather(self._load_plan(digest), self._health.look())
        trouble = await self._prepare(plan, digest)
        self._caller = caller = await joining
        if self._somebody_talks():
            await self._withdraw()
            return
        if self._dialler and caller is None:
            try:
                self._caller = caller = await self._dialler.reach(trouble)
            except NotDialled:
                await self._withdraw()
                return
        self._write_opened(digest)
        if self._dialler:
            self._start(self._dialler.follow(self._journal, self.end))
        if caller is None or self._reason:
            if not self._dialler:
                self.end("abandoned")
            return
        if trouble:
            self._fall_back(trouble)
        self._take_tracks(caller)
        if self._publishing:
            await self._publishing
        self._look_whether_answered(caller)

    def _somebody_talks(self) -> bool:
        """A watchdog asked twice because the first agent was slow: two must not talk at once."""
        agent = rtc.ParticipantKind.PARTICIPANT_KIND_AGENT
        return any(who.kind == agent for who in self._ctx.room.remote_participants.values())

    async def _withdraw(self) -> None:
        """Leave the call to the agent who is there, without a trace in the journals."""
        log.warning("Another agent is in the call; this one leaves")
        self._finished = True
        self._reason = "withdrawn"
        self._journal.discard()
        await self._ear.aclose()
        await self._mouth.aclose()
        if self._talk:
            await self._talk.aclose()
        self._ctx.shutdown("another agent is in the call")

    async def _load_plan(self, digest: str) -> CallPlan | PlanError:
        """A failure is a value here: joining goes on beside it."""
        try:
            if found := plans.from_disk(self._config.plans_dir, digest):
                return found
            url, token = self._config.control_url, self._config.worker_token
            async with Desk(url, token, timeout_s=PLAN_S) as desk:
                return await plans.fetch(self._config.plans_dir, digest, desk)
        except PlanError as reason:
            return reason

    async def _join(self) -> rtc.RemoteParticipant | None:
        """The caller, or nothing if he has gone already."""
        await self._ctx.connect(auto_subscribe=AutoSubscribe.AUDIO_ONLY)
        # the caller is answered once he hears this track: it goes out while the rest is built
        line = self._ctx.room.local_participant
        self._publishing = asyncio.create_task(self._mouth.publish(line))
        kinds = [rtc.ParticipantKind.PARTICIPANT_KIND_SIP]
        there = [who.kind for who in self._ctx.room.remote_participants.values()]
        if self._dialler and not set(kinds) & set(there):
            return None  # we are to dial
        try:
            async with asyncio.timeout(JOIN_S):
                return await self._ctx.wait_for_participant(kind=kinds)
        except (TimeoutError, RuntimeError):
            return None

    async def _prepare(self, plan: CallPlan | PlanError, digest: str) -> str:
        """What the call talks with. Returns what is wrong, or nothing."""
        try:
            if isinstance(plan, Exception):
                raise plan
            await self._build(plan, plans.folder_of(self._config.plans_dir, digest))
        except (PlanError, SealBroken) as reason:
            return str(reason) or type(reason).__name__
        return ""

    async def _build(self, plan: CallPlan, folder: Path) -> None:
        self._folder = folder
        if not prepare.is_usable(folder, plan):
            log.warning(
                "A plan was not prepared before its first call", extra={"digest": folder.name}
            )
            await prepare.prepare_files(plan, folder)
        self._talk = talk = Conversation(plan, folder, self._journal)
        self._plan = plan
        await talk.begin(
            self._ear, self._mouth, seal_keys=list(self._config.seal_keys), health=self._health,
            end=self.end, give_up=self.give_up,
        )  # fmt: skip
        self._bot = talk.bot
        assert talk.session is not None
        talk.session.on("error", self._on_error)
        talk.session.on("close", self._on_close)
        self._health.follow()

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
        last = await pulse.gone(self._ctx.room, caller, track)
        log.info("A caller is gone and the room did not notice", extra={"job": self._ctx.job.id})
        self.end("caller" if self._answered else "abandoned", at=last)

    def _on_attributes(self, _: object, participant: rtc.Participant) -> None:
        if self._is_caller(participant):
            self._look_whether_answered(participant)

    def _on_left(self, participant: rtc.RemoteParticipant) -> None:
        if not self._is_caller(participant):
            return
        if self._dialler and not self._answered:
            self._start(self._dialler.left(self.end))
        else:
            self.end("caller" if self._answered else "abandoned")

    def _on_digit(self, event: rtc.SipDTMF) -> None:
        if self._bot and self._answered:
            self._bot.digit(event.digit)

    def _on_error(self, event: Any) -> None:
        if self._bot and self._answered and not getattr(event.error, "recoverable", False):
            self._bot.failed()

    def _on_close(self, event: CloseEvent) -> None:
        if event.reason == CloseReason.ERROR:
            self._start(self._apologise())

    # --- the call --------------------------------------------------------------------------------

    def _look_whether_answered(self, caller: rtc.Participant) -> None:
        if self._answered or self._reason or caller.attributes.get("sip.callStatus") != "active":
            return
        now = time.monotonic()
        self._answered = (now, self._journal.ms())
        self._picked_up.set()
        if self._gave_up:  # an apology follows, no greeting
            pass
        elif self._bot and self._dialler and self._dialler.order:
            self._start(Opening(self._dialler.order, self._bot, self._ear, self._journal).run())
        elif self._bot:
            self._bot.answered()
        else:
            self._start(self._apologise())
        self._journal.write("answered")
        if self._plan and self._plan.record and self._plan.recorder == "worker":
            self._record(now)

    def _record(self, began: float) -> None:
        assert self._answered is not None
        path = spool.begin(
            self._config, room=self._ctx.room.name, job=self._ctx.job.id,
            starts_ms=self._answered[1],
        )  # fmt: skip
        self._recorder = Recorder(path, began=began)
        self._mouth.tap = self._ear.tap = self._recorder

    async def _apologise(self) -> None:
        try:
            await self._farewell.apologise(self._plan, self._folder)
        finally:
            self.end("error")

    def end(self, reason: str, *, at: float | None = None) -> None:
        """Whatever comes first is the reason. `at`: when it happened (monotonic), default now."""
        if self._reason:
            return
        self._reason = reason
        if self._bot:
            self._bot.stop()
        if reason in {"caller", "abandoned", "unknown"}:
            self._ended = at or time.monotonic()
            self._ctx.shutdown(reason)
        else:
            self._start(self._hang_up(reason))

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
        if self._talk:
            await self._talk.interrupt()
        await self._farewell.apologise(self._plan, self._folder)
        number = self._plan.fallback_number if self._plan else ""
        if number and self._caller and await self._farewell.transfer(self._caller, number):
            self._journal.write("tool", name="transfer", outcome="to the fallback number")
            self._reason = self._reason or "transferred"
            self._gone("transferred")
        else:
            self.end("providers")

    # --- the end ---------------------------------------------------------------------------------

    async def finish(self) -> None:
        """Write the recording and the last entries. The caller has gone, or goes now."""
        if self._finished:
            return
        self._finished = True
        self._reason = self._reason or "shutdown"
        if self._is_listed() and not self._farewell.hung_up:
            await self._farewell.delete_room()
        ended = self._ended or time.monotonic()
        for task in (*self._tasks, *([self._publishing] if self._publishing else [])):
            task.cancel()
        await self._ear.aclose()
        if self._recorder:
            await self._finish_recording(self._recorder, ended)
        self._write_closed(ended)
        self._journal.release()
        await self._mouth.aclose()
        if self._talk:
            await self._talk.aclose()
        if self._dialler:
            await self._dialler.aclose()
        await self._health.aclose()

    def _is_listed(self) -> bool:
        people = self._ctx.room.remote_participants
        return self._caller is not None and self._caller.identity in people

    async def _finish_recording(self, recorder: Recorder, ended: float) -> None:
        try:
            length = await asyncio.to_thread(recorder.close, ended)
            facts = await asyncio.to_thread(
                spool.finish, self._config, self._ctx.job.id, duration_ms=length
            )
        except Exception as reason:
            log.exception("A recording could not be finished", extra={"job": self._ctx.job.id})
            self._journal.write("error", what="recording", detail=type(reason).__name__)
            return
        keys = ("starts_ms", "duration_ms", "sha256", "size")
        self._journal.write("recording", **{key: facts[key] for key in keys})

    def _write_closed(self, ended: float) -> None:
        talked = round((ended - self._answered[0]) * 1000) if self._answered else 0
        self._journal.write(
            "closed", reason=self._reason, answered=self._answered is not None, talked_ms=talked
        )

    def _start(self, work: Any) -> None:
        task: asyncio.Task[None] = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
