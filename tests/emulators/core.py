"""What all emulators share: profiles, faults, the script, and the board which keeps the log.

How a provider module is written. It exposes `routes(board)`; `server.py` includes it:

    def routes(board: Board) -> list[web.RouteDef]:
        speech = served(board, "tts", "kokoro", _speech, key=anybody)
        return [web.post("/kokoro/v1/audio/speech", speech)]

    async def _speech(call: Call) -> web.StreamResponse:
        asked = await call.request.json()
        pcm = await call.board.voice(asked["input"], 24_000)
        body = call.body({"Content-Type": "audio/pcm"})
        pieces = speech.chunks(pcm.tobytes(), len(pcm) / 24_000)
        await call.play(pieces, body.write, **call.as_voice())
        return await body.end()

`served`, `Call`, `Cut` and the kinds of keys are in calls.py. `served` answers for a refused key
and for faults, before and while `_speech` runs: what `call.play` raises at a cut is `Cut`, which
only WebSocket modules with a form of their own for an error catch. The path's first segment is the
provider's name in faults and log. Everything timed is sent by `call.play` (a row of pieces) or
`call.at` (one), which wait, send and log; nothing sleeps by itself. An LLM's pieces are tokens:
`**call.as_tokens()`, and `board.script.answer_to(...)` and `tool_for(...)` say what they are.
STT by file: `board.script.text_of(pcm, rate)`, after `call.heard(seconds)`, sent with
`await call.at(call.begun + call.delay(), ...)`.
A key beginning with "bad" is refused, and so is an empty one.
"""

import math
import random
import time
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, Self

import numpy as np

from tests.emulators import hearing, speech
from tests.emulators.fingerprint import Book
from tests.emulators.speech import Pcm, marker

__all__ = ["PROFILES", "Board", "Fault", "Profile", "Script", "marker"]

Role = Literal["stt", "llm", "tts"]
ROLES: tuple[Role, ...] = ("stt", "llm", "tts")
SEED = 7  # of all jitter: two runs draw the same delays
P95_IS_3X = math.log(3) / 1.6449  # sigma of a log-normal whose 95th percentile is 3 medians


@dataclass(frozen=True)
class Profile:
    """How fast the providers are. Rates of 0: all at once."""

    name: str
    stt_ms: float  # from the end of speech to the final text
    llm_ms: float  # from the request to the first token
    tts_ms: float  # from the request to the first audio
    tokens_per_s: float = 50
    voice_speed: float = 5.0  # how much faster than real time speech is made
    sigma: float = 0  # of the log-normal jitter on the three delays

    @classmethod
    def of(cls, said: "str | dict[str, Any] | Profile") -> "Profile":
        """A name, or {"name": …, and whatever shall differ}. Raises ValueError, KeyError."""
        if isinstance(said, Profile):
            return said
        if isinstance(said, str):
            return PROFILES[said]
        try:
            return replace(PROFILES.get(said.get("name", ""), PROFILES["const"]), **said)
        except TypeError as reason:
            raise ValueError(str(reason)) from reason


_CONST = Profile("const", stt_ms=250, llm_ms=300, tts_ms=120)
PROFILES = {
    "const": _CONST,
    "zero": Profile("zero", stt_ms=0, llm_ms=0, tts_ms=0, tokens_per_s=0, voice_speed=0),
    "jitter": replace(_CONST, name="jitter", sigma=P95_IS_3X),
    "fault": replace(_CONST, name="fault"),
}

Kind = Literal["refuse", "stall", "stall_after", "half", "drop", "429", "500"]
AT_THE_DOOR = frozenset({"refuse", "429", "500"})
KINDS = AT_THE_DOOR | {"stall", "stall_after", "half", "drop"}


@dataclass
class Fault:
    role: str
    provider: str  # "*": all of this role
    kind: str
    after: float = 0.0  # llm: tokens; tts: seconds of audio; stt: seconds of received audio
    times: int = -1  # how often; below 0: always

    def __post_init__(self) -> None:
        self.kind = str(self.kind)
        if self.role not in ROLES or self.kind not in KINDS:
            raise ValueError(f"There is no fault {self.kind!r} of {self.role!r}.")

    def meets(self, role: str, provider: str) -> bool:
        return self.times != 0 and self.role == role and self.provider in ("*", provider)


@dataclass
class Script:
    """What callers say and what the models answer."""

    utterances: list[str] = field(default_factory=list)
    answers: dict[str, str] = field(default_factory=dict)  # last user message → answer; "*": else
    tools: dict[str, dict[str, Any]] = field(default_factory=dict)  # → {"tool", "arguments"}
    book: Book = field(default_factory=Book, repr=False)

    @classmethod
    def of(cls, utterances: list[str], answers: dict[str, str] | None = None, **more: Any) -> Self:
        return cls(list(utterances), dict(answers or {}), **more)

    @classmethod
    def from_dict(cls, raw: dict[str, Any]) -> Self:
        return cls.of(raw.get("utterances", []), raw.get("answers"), tools=raw.get("tools", {}))

    def plain(self) -> dict[str, Any]:
        return {"utterances": self.utterances, "answers": self.answers, "tools": self.tools}

    async def prepare(self) -> None:
        """Speak every utterance in every voice, so that it is known again; and the answers."""
        await self.book.learn(self.utterances)
        for answer in self.answers.values():
            await speech.speak(answer)

    def text_of(self, pcm: Pcm, rate: int) -> str | None:
        """What is said in a file; None: nothing of the script."""
        return hearing.text_of(self.book, pcm, rate)

    def knows(self, said: str) -> bool:
        return bool(_entry(self.answers, said) or _entry(self.tools, said))

    def answer_to(self, said: str) -> str:
        return str(_entry(self.answers, said) or self.answers.get("*", "All right."))

    def tool_for(self, said: str) -> dict[str, Any] | None:
        return _entry(self.tools, said)


def _entry(table: dict[str, Any], said: str) -> Any:
    return table.get(said) or next((v for k, v in table.items() if words(k) == words(said)), None)


def words(text: str) -> str:
    """Without case and punctuation."""
    return " ".join("".join(c if c.isalnum() or c in "'’" else " " for c in text.lower()).split())


class Board:
    """One for each emulator process: how fast, what goes wrong, what is said, what was sent."""

    def __init__(
        self, profile: str | Profile = "const", script: Script | None = None, *,
        faults: list[Fault] | None = None, marked: bool = False,
    ) -> None:  # fmt: skip
        self.profile = Profile.of(profile)
        self.script = script or Script()
        self.faults: list[Fault] = list(faults or [])
        self.marked = marked  # each spoken answer begins with `marker(n)`
        self.log: list[dict[str, Any]] = []
        self.connections = 0
        self._marks = 0
        self._dice: dict[str, random.Random] = {
            role: random.Random(f"{SEED} {role}") for role in ROLES
        }

    def reset(self) -> None:
        """No faults, an empty log, the same jitter again. Profile and script stay."""
        self.faults, self.log, self._marks = [], [], 0
        self._dice = self._new_dice()

    @staticmethod
    def _new_dice() -> dict[str, random.Random]:
        return {role: random.Random(f"{SEED} {role}") for role in ROLES}

    def delay(self, role: str) -> float:
        """Seconds until this role answers, jitter included."""
        median = {
            "stt": self.profile.stt_ms,
            "llm": self.profile.llm_ms,
            "tts": self.profile.tts_ms,
        }
        drawn = self._dice[role].gauss(0, 1)  # always drawn: profiles share their sequence
        return median[role] / 1000 * math.exp(self.profile.sigma * drawn)

    def take(
        self, role: str, provider: str, kinds: frozenset[str] = KINDS, *,
        by: float | None = None,
    ) -> Fault | None:  # fmt: skip
        """The fault which strikes now, counted. `by`: only if it does within so many units."""
        for fault in self.faults:
            in_time = by is None or fault.kind == "stall" or fault.after <= by
            if in_time and fault.kind in kinds and fault.meets(role, provider):
                fault.times -= fault.times > 0
                self.note(role, provider, "fault", kind=fault.kind, after=fault.after)
                return replace(fault)
        return None

    async def voice(self, text: str, rate: int = speech.RATE, *, mark: bool = True) -> Pcm:
        """What an answer sounds like, with the next marker before it where markers are wanted.
        `mark` is false within an answer."""
        pcm = await speech.spoken(text, rate)
        if not (self.marked and mark and len(pcm)):
            return pcm
        self._marks += 1
        self.note("tts", "*", "marker", n=self._marks, text=text)
        return np.concatenate([marker(self._marks, rate), pcm])

    def note(
        self, role: str, provider: str, what: str, *, intended: float | None = None,
        sent: float | None = None, connection: int = 0, **extra: Any,
    ) -> None:  # fmt: skip
        """A line of the log. Times are monotonic seconds, which a machine's processes share."""
        now = time.monotonic()
        self.log.append({
            "at": time.time(), "role": role, "provider": provider, "what": what,
            "intended": now if intended is None else intended,
            "sent": now if sent is None else sent, "connection": connection, "extra": extra,
        })  # fmt: skip

    def state(self) -> dict[str, Any]:
        return {
            "profile": asdict(self.profile),
            "faults": [asdict(fault) for fault in self.faults],
            "script": self.script.plain(),
            "marked": self.marked,
            "connections": self.connections,
            "log": len(self.log),
        }
