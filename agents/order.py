"""What a worker is told to dial. Handed out once by Django, read by the worker. Pure."""

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from agents import places

# what to do when not a person answers
Action = Literal["talk", "message", "hang_up", "say_who"]
VERDICTS = ("human", "voicemail", "ivr", "screening", "unknown")

# why an INVITE was not answered with 200, as keys of END_REASONS; whatever else: the carrier
_BY_STATUS = {
    404: "no_such_number", 408: "no_answer", 410: "no_such_number", 480: "no_answer",
    484: "no_such_number", 486: "busy", 487: "no_answer", 600: "busy", 603: "declined",
    604: "no_such_number", 607: "declined",
}  # fmt: skip


def outcome_of(status: int) -> str:
    """What a final SIP status of an INVITE means."""
    return _BY_STATUS.get(status, "carrier")


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One call to make. Sent over HTTP to the worker which is in the room already."""

    id: int
    to: str  # E.164
    trunk: str  # LiveKit's id
    caller_id: str
    identity: str  # the callee's name in the room
    ring_s: int = 30
    max_call_s: int = 600  # the bot says good-bye then; the spend cap reserves as much
    greeting: str = ""  # empty: the plan's
    message: str = ""  # left after the beep
    who_calls: str = ""  # said to a call screener
    variables: dict[str, str] = field(default_factory=dict)  # {name} in the texts
    detect: bool = True  # find out who answered before anything is said
    on_voicemail: Action = "hang_up"
    on_ivr: Action = "hang_up"
    on_screening: Action = "say_who"

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, raw: dict[str, Any]) -> "Order":
        """Fields newer than this worker are left out. Raises ValueError."""
        known = {name: raw[name] for name in cls.__dataclass_fields__ if name in raw}
        try:
            return cls(**known)
        except TypeError as reason:
            raise ValueError(f"The order cannot be read ({reason}).") from reason

    def fill(self, text: str) -> str:
        """A text with the callee's own words in it."""
        return places.filled(text, self.variables)
