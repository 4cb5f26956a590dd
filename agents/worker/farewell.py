"""How a call is ended by us: last words, then a BYE."""

import asyncio
import logging
from pathlib import Path

from livekit import api
from livekit.agents import JobContext

from agents.plan import CallPlan
from agents.worker.config import Config
from agents.worker.line import Mouth
from agents.worker.prepared import Prepared, read_wav

log = logging.getLogger(__name__)

HANG_UP_S = 3.0
LAST_SOUND_S = 0.25  # between the last sound leaving us and its end at the caller's ear
APOLOGY = "We are sorry. This line cannot take your call at the moment. Please call again later."
APOLOGY_FILE = "apology.wav"


def apology_path(settings: Config) -> Path:
    return settings.data_dir / APOLOGY_FILE


class Farewell:
    """Speaks without any provider: what it says was made in advance."""

    def __init__(self, ctx: JobContext, settings: Config, mouth: Mouth) -> None:
        self._ctx = ctx
        self._config = settings
        self._mouth = mouth
        self.hung_up = False

    async def apologise(self, plan: CallPlan | None, folder: Path) -> None:
        """In the plan's own words if there are any."""
        self._mouth.clear_buffer()
        for frame in self._apology(plan, folder).frames(APOLOGY):
            await self._mouth.capture_frame(frame)
        self._mouth.flush()
        await self._mouth.drained()

    def _apology(self, plan: CallPlan | None, folder: Path) -> Prepared:
        if plan is not None:
            ready = Prepared.load(folder, plan)
            if ready.has(plan.apology):
                return ready.renamed(plan.apology, APOLOGY)
        return Prepared({APOLOGY: read_wav(apology_path(self._config))})

    async def hang_up(self) -> None:
        await self._mouth.drained()
        await asyncio.sleep(LAST_SOUND_S)
        await self.delete_room()

    async def delete_room(self) -> None:
        """The only way to send the caller a BYE."""
        request = api.DeleteRoomRequest(room=self._ctx.room.name)
        try:
            await asyncio.wait_for(self._ctx.api.room.delete_room(request), HANG_UP_S)
            self.hung_up = True
        except api.ServerError as refusal:
            # the caller was quicker, or the room is gone with him
            if refusal.code != api.ServerErrorCode.NOT_FOUND:
                log.exception("Hanging up failed", extra={"job": self._ctx.job.id})
        except Exception:
            log.exception("Hanging up failed", extra={"job": self._ctx.job.id})
