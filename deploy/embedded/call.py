"""`make call` and `make demo`: a real SIP call to what is running, printed while it happens."""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from deploy.embedded.home import ROOT, Home, Trouble
from telephony.caller.call import Call, CallFailed
from telephony.caller.speech import NoVoice, speak

DEMO = (
    "What are your opening hours?",
    "How long does a repair take?",
    "Thank you, good bye.",
)
DEMO_DIGIT = "1"


@dataclass(frozen=True, slots=True)
class Script:
    """What the caller does: sentences, each in turn, and keys after the one before last."""

    target: str
    caller: str
    voice: str
    sentences: tuple[str, ...]
    digits: str
    out: Path | None


def script_from_environment(home: Home) -> Script:
    env = os.environ
    say = env.get("SAY") or ("" if env.get("DTMF") else DEMO[0])
    return Script(
        target=env.get("TARGET") or home.sip_uri,
        caller=env.get("CALLER") or "+12025550199",
        voice=env.get("VOICE") or "rms",
        sentences=tuple(part.strip() for part in say.split("|") if part.strip()),
        digits=env.get("DTMF", ""),
        out=Path(env["OUT"]) if env.get("OUT") else None,
    )


def place(home: Home) -> int:
    return _run(home, script_from_environment(home))


def demo(home: Home) -> int:
    script = script_from_environment(home)
    script = Script(script.target, script.caller, script.voice, DEMO, DEMO_DIGIT, script.out)
    return _run(home, script)


def _run(home: Home, script: Script) -> int:
    journal = Following(home.data / "worker" / "journal", caller=script.caller)
    try:
        asyncio.run(_talk(script, journal))
    except CallFailed as failure:
        raise Trouble(f"The call was not answered: {failure}. {_why(failure)}") from failure
    except (NoVoice, ValueError) as what:
        raise Trouble(str(what)) from what
    for line in journal.news():
        print(line)
    if journal.room:
        _show_call(home, journal.room)
    return 0


def _why(failure: CallFailed) -> str:
    return {
        0: "Is everything ready? See `make status`.",
        486: "All lines are busy, or no worker took the call. See `make status`.",
        404: "No trunk or rule takes this number. See the admin.",
    }.get(failure.status, "See `make logs PART=livekit-sip`.")


async def _talk(script: Script, journal: "Following") -> None:
    speech = [await speak(sentence, script.voice) for sentence in script.sentences]
    print(f"\nCalling {script.target} from {script.caller}")
    async with Call(script.target, caller=script.caller) as call:
        await call.answered(30)
        print(f"  answered after {_s(call.times['answered'] - call.times['invite'])}")
        await call.quiet(700, 20)
        first = call.first_speech_after(call.times["answered"])
        if first:
            print(f"  first word     {_s(first - call.times['answered'])} after the answer")
        _print(journal)
        for index, pcm in enumerate(speech):
            if script.digits and index == len(speech) - 1:
                await _press(call, script.digits, journal)
            print(f"  you   {script.sentences[index]}")
            await _exchange(call, await call.say(pcm), journal)
        if script.digits and not speech:
            await _press(call, script.digits, journal)
        await asyncio.sleep(0.3)
        await call.hang_up()
        print(f"  hung up by {'you' if call.ended_by == 'us' else 'the bot'} "
              f"after {call.seconds:.1f} s")  # fmt: skip
        if script.out:
            call.save(script.out)
            print(f"  both sides in {script.out} (left you, right the bot)")


async def _press(call: Call, digits: str, journal: "Following") -> None:
    print(f"  you   press {digits}")
    await call.press(digits)
    await _exchange(call, time.monotonic(), journal)


async def _exchange(call: Call, end: float, journal: "Following") -> None:
    """Wait for the answer to what ended at `end`; print it and how long it took."""
    await call.quiet(900, 20, since=end)
    first = call.first_speech_after(end)
    _print(journal, f"({_s(first - end)} at the ear)" if first else "(no answer)")


def _print(journal: "Following", note: str = "") -> None:
    lines = list(journal.news())
    for line in lines:
        is_bot = line.startswith("  bot") and note
        print(f"{line}  {note}" if is_bot else line)
        note = "" if is_bot else note
    if note:
        print(f"        {note}")


def _s(seconds: float) -> str:
    return f"{seconds:.2f} s"


class Following:
    """Reads the worker's journal of our call as it grows. Stays quiet for a foreign target."""

    def __init__(self, folder: Path, *, caller: str) -> None:
        self._folder, self._caller = folder, caller
        self._before = set(folder.glob("*.jsonl"))
        self._file: TextIO | None = None
        self.room = ""

    def news(self) -> Iterator[str]:
        """What has been said since the last look, one line a turn."""
        if self._file is None:
            self._find()
        for text in self._file or ():
            entry = json.loads(text)
            if line := _line(entry["kind"], entry["data"]):
                yield line

    def _find(self) -> None:
        for path in set(self._folder.glob("*.jsonl")) - self._before:
            file = path.open()
            first = json.loads(file.readline() or "{}").get("data", {})
            if first.get("caller") == self._caller:
                self._file, self.room = file, first["room"]
                return
            file.close()


def _line(kind: str, data: dict[str, Any]) -> str:
    if kind == "turn" and data["who"] == "agent":
        return f"  bot   {data['text']}"
    if kind == "turn":
        return f"        understood: {data['text']}"
    if kind == "error":
        return f"        error: {data['detail']}"
    return ""


def _show_call(home: Home, room: str) -> None:
    print("\nWaiting for recording and transcript … ", end="", flush=True)
    begun = time.monotonic()
    done = subprocess.run(
        [sys.executable, ROOT / "manage.py", "showcall", "--room", room, "--wait", "20", "--json"],
        env=home.env, cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    if done.returncode != 0:
        raise Trouble(f"the call cannot be shown: {(done.stderr or done.stdout)[-400:]}")
    shown = json.loads(done.stdout)
    print(f"there ({time.monotonic() - begun:.1f} s)")
    for segment in shown["transcript"]:
        who = "bot" if segment["who"] == "agent" else "caller"
        print(f"  {segment['start_ms'] / 1000:6.1f} s  {who:<7}{segment['text']}")
    recording = shown["recording"] or {}
    print(f"\nRecording  {recording.get('state', 'none')}, {recording.get('object_key', '')}, "
          f"{(recording.get('duration_ms') or 0) / 1000:.1f} s")  # fmt: skip
    print(f"Call page  {shown['page']}")
