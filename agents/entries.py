"""The call journal as it crosses the border: the worker writes, Django reads. Pure.

A journal belongs to one job of the worker (its id is the job id) and so to one call.
Entries are numbered from 0 without gaps. Each is one JSON object:

    {"n": 0, "ms": 0, "at": "2026-11-21T10:00:00.000+00:00", "kind": "opened", "data": {...}}

`ms` counts from the moment the journal was opened on a monotonic clock, `at` is UTC wall time.

kind      data
opened    room, job, sip_call_id, caller, called, trunk, plan (digest), worker
answered  (nothing)                       the caller's leg became active
dialled   status, outcome, detail, rang   the call we made was not connected; SIP status, 0: none;
          rang: whether a telephone may have rung
answered_by  verdict, reason, action, ms  who took the call we made: human, voicemail, ivr,
          screening or unknown; action: talk, message, hang_up or say_who; ms: after the answer
turn      who (caller | agent), text, start_ms, end_ms, interrupted,
          via (speech | dtmf | greeting | answer | prompt | cache | filler), latency {name: ms},
          confidence
          latency names: total (caller's last sound to agent's first), end_of_turn, stt, llm, tts
dtmf      digit                           • for each key of a secret
tool      name, outcome; of collect_digits also purpose, and value unless it is secret;
          of collect_card also purpose, token, last4, brand, and never more of the card
          also: entrance (what was decided before the call was answered, and who said so),
          caller lookup (which facts came, never their values)
handover  (nothing)                       the caller asked for a person
switch    role (stt | llm | tts), from, to, provider (slug of the one left), reason, lost_ms
          reason: refused, stalled, broke_off, limited, failed, skipped (known to be down);
          to is empty when there was no other
transfer  destination (key), name, method (refer | dial | empty), sip_status (0: none),
          order (of a supervisor, 0: the bot's own idea), detail (LiveKit's code),
          outcome (see TRANSFER_OUTCOMES)
usage     role, provider (slug), model, account, and what it is paid by:
          input_tokens, cached_tokens, output_tokens | characters | audio_ms; cached: true if free
error     what, detail                    detail is for a supervisor; no keys, no payloads
recording starts_ms, duration_ms, sha256, size    sample 0 of the file lies at starts_ms
consent   outcome (announced | given | refused | unanswered), wording (which words: the first 12
          digits of their SHA-256), how (key | speech | empty)
pause     what (begin | end), why (bot | api | key | rule | card), by: meanwhile nothing is
          recorded; of a card, nothing is heard or written down either
closed    reason (see END_REASONS), answered, talked_ms
"""

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Kind = Literal[
    "opened",
    "answered",
    "dialled",
    "answered_by",
    "turn",
    "dtmf",
    "tool",
    "handover",
    "switch",
    "transfer",
    "usage",
    "error",
    "recording",
    "consent",
    "pause",
    "closed",
]
KINDS: tuple[Kind, ...] = (
    "opened", "answered", "dialled", "answered_by", "turn", "dtmf", "tool", "handover", "switch",
    "transfer", "usage", "error", "recording", "consent", "pause", "closed",
)  # fmt: skip

END_REASONS = {
    "caller": "The caller hung up.",
    "abandoned": "The caller hung up before the call was answered.",
    "bot": "The bot ended the call.",
    "silence": "The caller never spoke, so the bot ended the call.",
    "limit": "The call reached its maximum length.",
    "refused": "All lines were busy, so the call was refused.",
    "no_agent": "No worker answered in time, so the call was refused.",
    "unknown_number": "Nobody here has the number that was dialled.",
    "no_rule": "The number's trunk has no dispatch rule.",
    "error": "Something of ours failed.",
    "providers": "Every provider of speech or answers was down, so the bot apologised and ended.",
    "transferred": "The caller was sent to another number.",
    "closed": "The call came outside the opening hours.",
    "blocked": "The caller is on the list of those who are not let in.",
    "voicemail": "The caller left a message.",
    "overflow": "No worker answered in time, so the call was sent elsewhere.",
    "no_media": "No sound came from the other side.",
    "machine": "An answering machine was reached.",
    "busy": "The line we called was busy.",
    "no_answer": "Nobody answered the telephone we called.",
    "declined": "The call we made was declined.",
    "no_such_number": "The number we called does not exist.",
    "carrier": "The carrier did not connect the call.",
    "cancelled": "The call was called off before it was answered.",
    "supervisor": "A supervisor ended the call.",
    "shutdown": "The worker was stopped.",
    "unknown": "The call is gone; nobody told us why.",
}

# each step of a transfer; those in TRANSFER_ENDS are the last of theirs
TRANSFER_OUTCOMES = {
    "asked": "The caller is to be put through.",
    "closed": "It is closed there now.",
    "unavailable": "It may not be called now.",
    "refused": "The caller's carrier refused to send him on.",
    "accepted": "The caller's carrier has sent him on.",
    "ringing": "The telephone there rings.",
    "connected": "They talk with each other.",
    "busy": "The line there was busy.",
    "no_answer": "Nobody answered there.",
    "failed": "The call there could not be made.",
    "abandoned": "The caller hung up before anybody answered.",
    "returned": "It was hung up there at once, so the bot went on.",
    "ended": "It was hung up there.",
    "left": "The caller hung up.",
}
TRANSFER_ENDS = frozenset(TRANSFER_OUTCOMES) - {"asked", "refused", "ringing", "connected"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    n: int
    ms: int
    at: str
    kind: Kind
    data: dict[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, raw: object) -> "Entry":
        """Raises ValueError naming what is wrong: the text comes over the network."""
        if not isinstance(raw, dict) or set(raw) != {"n", "ms", "at", "kind", "data"}:
            raise ValueError("An entry has exactly n, ms, at, kind and data.")
        if not isinstance(raw["n"], int) or raw["n"] < 0 or not isinstance(raw["ms"], int):
            raise ValueError("n and ms are whole numbers, n from 0.")
        if raw["kind"] not in KINDS or not isinstance(raw["data"], dict):
            raise ValueError(f"Unknown kind {raw['kind']!r}, or data is no object.")
        return cls(**raw)
