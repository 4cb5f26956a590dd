"""`make call` and `make demo`: a real SIP call to what is running, printed while it happens."""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TextIO

from deploy.embedded.home import ROOT, Home, Trouble
from telephony.caller.audio import Pcm
from telephony.caller.call import Call, CallFailed
from telephony.caller.speech import NoVoice, speak

DEMO = (
    "What are your opening hours?",
    "How long does a repair take?",
    "Can I rent a bike?",
    "That is all, thank you.",
)
DEMO_DIGIT = "1"
STORED_S = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """What the caller does: sentences one by one, and keys before the last of them."""

    target: str
    caller: str
    voice: str
    sentences: tuple[str, ...]
    digits: str
    out: Path | None

    def turns(self) -> Iterator[tuple[str, str]]:
        """("say" or "press", what)."""
        for number, sentence in enumerate(self.sentences, start=1):
            if self.digits and number == len(self.sentences):
                yield "press", self.digits
            yield "say", sentence
        if self.digits and not self.sentences:
            yield "press", self.digits


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
    return _run(home, replace(script, target=home.sip_uri, sentences=DEMO, digits=DEMO_DIGIT))


def _run(home: Home, script: Script) -> int:
    journal = Following(home.data / "worker" / "journal", caller=script.caller)
    try:
        asyncio.run(_talk(script, journal))
    except CallFailed as failure:
        raise Trouble(f"The call was not answered: {failure}. {_why(failure)}") from failure
    except (NoVoice, ValueError, OSError) as what:
        raise Trouble(str(what)) from what
    _print(journal)
    if journal.room:
        _show_call(home, journal.room)
    return 0


def _why(failure: CallFailed) -> str:
    return {
        0: "LiveKit stays silent for numbers and callers it does not know: see the trunks in the "
        "admin, and `make status`.",
        486: "Lines are busy, no worker took it, or nobody has the number: see the list of calls.",
        404: "No trunk or rule takes this number. See the admin.",
    }.get(failure.status, "See `make logs PART=livekit-sip`.")


async def _talk(script: Script, journal: "Following") -> None:
    # spoken first, so that no call waits for the voice
    speech = {text: await speak(text, script.voice) for text in script.sentences}
    print(f"\nCalling {script.target} from {script.caller}")
    async with Call(script.target, caller=script.caller) as call:
        await call.answered(30)
        print(f"  answered after {_s(call.ms('answered'))}")
        await call.quiet(900, 20)
        _print(journal, f"({_s(call.greeting_ms())} after the answer)")
        for kind, what in script.turns():
            if not call.ended.is_set():
                await _turn(call, kind, what, speech, journal)
        await call.hang_up()
        by = "you" if call.ended_by == "us" else "the bot"
        print(f"  hung up by {by} after {call.seconds:.1f} s")
        if script.out:
            call.save(script.out)
            print(f"  both sides in {script.out} (left you, right the bot)")


async def _turn(
    call: Call, kind: str, what: str, speech: dict[str, Pcm], journal: "Following"
) -> None:
    """One question and its answer, and how long the caller's ear waited for it."""
    print(f"  you   {'press ' if kind == 'press' else ''}{what}")
    end = await (call.press(what) if kind == "press" else call.say(speech[what]))
    await call.quiet(900, 20, since=end)
    waited = call.reaction_ms(end)
    _print(journal, "(no answer)" if waited is None else f"({_s(waited)} at the ear)")


def _print(journal: "Following", note: str = "") -> None:
    """What has been said; the note goes behind the bot's first line."""
    for line in journal.news():
        is_bot = line.startswith("  bot") and note
        print(f"{line}  {note}" if is_bot else line)
        note = "" if is_bot else note
    if note:
        print(f"        {note}")


def _s(ms: float | None) -> str:
    return "no sound" if ms is None else f"{ms / 1000:.2f} s"


class Following:
    """Reads the worker's journal of our call as it grows. Stays quiet for a foreign target."""

    def __init__(self, folder: Path, *, caller: str) -> None:
        self._folder, self._caller = folder, caller
        self._before = set(folder.glob("*.jsonl"))
        self._file: TextIO | None = None
        self._begun = ""  # a line of which only the beginning has been written
        self.room = ""

    def news(self) -> Iterator[str]:
        """What has been said since the last look, one line a turn."""
        if self._file is None:
            self._find()
        if self._file is None:
            return
        *lines, self._begun = (self._begun + self._file.read()).split("\n")
        for text in lines:
            entry = json.loads(text)
            if line := _line(entry["kind"], entry["data"]):
                yield line

    def _find(self) -> None:
        for path in set(self._folder.glob("*.jsonl")) - self._before:
            first, end, _ = path.read_text().partition("\n")
            opened = json.loads(first)["data"] if end else {}
            if opened.get("caller") == self._caller:
                self._file, self.room = path.open(), opened["room"]
                return


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
    command = ["showcall", "--room", room, "--wait", str(STORED_S), "--json"]
    done = subprocess.run(
        [sys.executable, ROOT / "manage.py", *command],
        env=home.env, cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    if done.returncode != 0:
        raise Trouble(f"the call cannot be shown: {(done.stderr or done.stdout)[-400:]}")
    shown = json.loads(done.stdout)
    _check(shown)
    print(f"there ({time.monotonic() - begun:.1f} s)")
    for segment in shown["transcript"]:
        who = "bot" if segment["who"] == "agent" else "caller"
        print(f"  {segment['start_ms'] / 1000:6.1f} s  {who:<7}{segment['text']}")
    recording = shown["recording"] or {}
    print(f"\nRecording  {recording.get('state', 'none')}, {recording.get('object_key', '')}, "
          f"{(recording.get('duration_ms') or 0) / 1000:.1f} s")  # fmt: skip
    print(f"Call page  {shown['page']}")


def _check(shown: dict[str, Any]) -> None:
    recording = shown["recording"]
    if recording and recording["state"] != "stored":
        raise Trouble(
            f"the recording is {recording['state']} after {STORED_S} s. {recording['error']} "
            f"See `make logs PART=worker` and {shown['page']}"
        )
    if not shown["transcript"]:
        raise Trouble(f"no transcript after {STORED_S} s. See `make logs PART=celery`.")
