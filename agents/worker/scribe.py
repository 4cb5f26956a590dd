"""Writes what a session reports into the call's journal."""

import time
from collections.abc import Callable
from typing import Any

from livekit.agents import AgentSession, ConversationItemAddedEvent, ErrorEvent, llm

from agents.plan import CallPlan
from agents.worker.journal import Journal
from agents.worker.prepared import Prepared

# the framework's names in the order of a turn → ours; seconds → ms
_CALLER_DELAYS = {"stt": "transcription_delay", "end_of_turn": "end_of_turn_delay"}
_AGENT_DELAYS = {"total": "e2e_latency", "llm": "llm_node_ttft", "tts": "tts_node_ttfb"}


LONGEST_VAD_S = 3.0  # a longer wait was another turn's


class Scribe:
    def __init__(
        self,
        plan: CallPlan,
        journal: Journal,
        prepared: Prepared,
        played_s: Callable[[], float],
        *,
        cached: Callable[[str], bool] = lambda text: False,
        first_token_ms: Callable[[str], int | None] = lambda text: None,
        greeting: Callable[[], str] | None = None,
    ) -> None:
        """`played_s`: how much of the segment which ended last was heard, in s. `cached`: whether
        an answer was given without a model. `first_token_ms`: how long the model took to begin;
        the framework sees only the first clause."""
        self._cached = cached
        self._first_token_ms = first_token_ms
        self._silent_since = 0.0  # wall clock: when the caller's speech counted as ended
        self._journal = journal
        self._played_s = played_s
        self._prepared = prepared
        self._answers = {entry.answer for entry in plan.faq}
        self._greeting = greeting or (lambda: plan.greeting)
        self._prompts = {
            plan.ask_back, plan.apology, plan.handover, plan.goodbye, plan.silence_prompt,
            plan.silence_prompt_2, plan.warning, *(purpose.ask for purpose in plan.purposes),
            *(plan.menu.texts() if plan.menu else ()),
            *(text for one in plan.targets for text in (one.announcement, one.sorry, one.closed)),
            *plan.asides(),
        }  # fmt: skip

    def follow(self, session: AgentSession[Any]) -> None:
        session.on("conversation_item_added", self._said)
        session.on("error", self._failed)
        session.on("user_state_changed", self._user_changed)

    def _user_changed(self, event: Any) -> None:
        if event.old_state == "speaking":
            self._silent_since = time.time()

    def _said(self, event: ConversationItemAddedEvent) -> None:
        item = event.item
        if not isinstance(item, llm.ChatMessage) or not item.text_content:
            return
        if item.role == "user":
            self._caller_said(item, item.text_content)
        elif item.role == "assistant":
            self._agent_said(item, item.text_content)

    def _caller_said(self, item: llm.ChatMessage, text: str) -> None:
        self._turn(
            item, who="caller", via="speech", text=text, delays=_CALLER_DELAYS,
            confidence=item.transcript_confidence,
        )  # fmt: skip

    def _agent_said(self, item: llm.ChatMessage, text: str) -> None:
        if item.interrupted:
            text = self._heard_part(text)
        whole = item.text_content or ""
        self._turn(
            item, who="agent", via=self._via(whole), text=text, delays=_AGENT_DELAYS,
            confidence=None,
        )  # fmt: skip

    def _turn(
        self, item: llm.ChatMessage, *, who: str, via: str, text: str,
        delays: dict[str, str], confidence: float | None,
    ) -> None:  # fmt: skip
        metrics: dict[str, Any] = dict(item.metrics or {})
        start = metrics.get("started_speaking_at") or item.created_at
        end = metrics.get("stopped_speaking_at") or start
        if item.interrupted:  # the framework tells when it decided, not when silence began
            end = start + self._played_s()
        latency = {ours: metrics.get(theirs) for ours, theirs in delays.items()}
        if who == "caller" and 0 <= self._silent_since - end < LONGEST_VAD_S:
            latency["vad"] = self._silent_since - end
        if who == "agent" and (first := self._first_token_ms(text)) is not None:
            latency["llm"] = first / 1000
        self._journal.write(
            "turn", who=who, text=text, via=via,
            start_ms=self._journal.ms(start),
            end_ms=self._journal.ms(end),
            interrupted=bool(item.interrupted),
            latency={k: round(v * 1000) for k, v in latency.items() if v is not None},
            confidence=None if confidence is None else round(confidence, 3),
        )  # fmt: skip

    def _via(self, text: str) -> str:
        if text == self._greeting():
            return "greeting"
        if self._cached(text):
            return "cache"
        return "prompt" if text in self._prompts and text not in self._answers else "answer"

    def _heard_part(self, text: str) -> str:
        """As many words as fit into the share that was played; all, if nobody knows the length."""
        length = self._prepared.seconds(text)
        if not length:
            return text
        words = text.split()
        heard = words[: max(1, round(len(words) * min(1.0, self._played_s() / length)))]
        return " ".join(heard) + (" …" if len(heard) < len(words) else "")

    def _failed(self, event: ErrorEvent) -> None:
        error = event.error
        recoverable = getattr(error, "recoverable", False)
        if not recoverable:
            cause = getattr(error, "error", error)
            self._journal.write(
                "error", what=str(getattr(error, "type", "session")), detail=_plain(cause)
            )


def _plain(cause: object) -> str:
    """For a supervisor: the kind of failure and its HTTP status, no payload."""
    status = getattr(cause, "status_code", None)
    return type(cause).__name__ + (f" (status {status})" if isinstance(status, int) else "")
