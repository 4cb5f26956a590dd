"""The caller's voice: flite speaks a sentence, at telephone rate."""

import asyncio
import tempfile
from pathlib import Path

from telephony.caller.audio import Pcm, read_wav, to_telephone

VOICES = ("rms", "awb", "slt")


class NoVoice(Exception):
    """The voice program is missing or failed. The text says what to do."""


async def speak(text: str, voice: str = "rms") -> Pcm:
    """Mono s16 at 8 kHz. Raises NoVoice."""
    if voice not in VOICES:
        raise NoVoice(f"Voice {voice!r} is unknown; choose {', '.join(VOICES)}.")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "speech.wav"
        try:
            process = await asyncio.create_subprocess_exec(
                "flite", "-voice", voice, "-t", text, "-o", str(path),
                stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
            )  # fmt: skip
        except FileNotFoundError as reason:
            raise NoVoice("flite is not installed. Run `make setup`.") from reason
        _, trouble = await process.communicate()
        if process.returncode != 0 or not path.exists():
            raise NoVoice(f"flite failed: {trouble.decode(errors='replace')[:200]}")
        return to_telephone(*read_wav(path))
