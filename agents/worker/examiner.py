"""Tries providers for supervisors (“Try it”, “Hear it”), from where calls reach them."""

import asyncio
import base64
import io
import logging
import wave
from typing import Any

from livekit import rtc

from agents.plan import Stage
from agents.providers import Role
from agents.worker import trial
from agents.worker.config import Config
from agents.worker.desk import Desk, DeskAway, DeskRefused

log = logging.getLogger(__name__)

LOOK_S = 1.0


class Examiner:
    def __init__(self, config: Config, desk: Desk) -> None:
        self._config = config
        self._desk = desk

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(LOOK_S)
            try:
                for wish in await self._desk.trials():
                    await self._try(wish)
            except (DeskAway, DeskRefused):
                continue  # the keeper says so in the log
            except Exception:
                log.exception("A trial of a provider failed")

    async def _try(self, wish: dict[str, Any]) -> None:
        folder = self._config.data_dir / "trial"
        folder.mkdir(exist_ok=True)
        outcome = await trial.attempt(
            Role(wish["role"]), Stage(**wish["stage"]), folder=folder,
            seal_keys=list(self._config.seal_keys), language=str(wish.get("language") or "en"),
            text=str(wish.get("text") or ""),
        )  # fmt: skip
        facts = {
            "ok": outcome.ok, "ms": outcome.ms, "text": outcome.text, "error": outcome.error,
            "wav": base64.b64encode(_wav(outcome.sound)).decode() if outcome.sound else "",
        }  # fmt: skip
        await self._desk.tried(int(wish["id"]), facts)


def _wav(sound: rtc.AudioFrame) -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(sound.sample_rate)
        file.writeframes(bytes(sound.data))
    return out.getvalue()
