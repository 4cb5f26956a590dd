"""What an AgentSession sees of a chain: one STT, LLM and TTS which never complain.

The bot's nodes do the work; the session only asks what they can do and who serves.
"""

from collections.abc import Callable
from typing import Any

from livekit.agents import APIConnectOptions, llm, stt, tts
from livekit.agents.types import DEFAULT_API_CONNECT_OPTIONS, NOT_GIVEN, NotGivenOr
from livekit.agents.utils import AudioBuffer

from agents.worker.chain.members import Member

Serving = Callable[[], Member]


class _Served:
    """Whoever serves now is what the session's metrics name."""

    _serving: Serving

    @property
    def model(self) -> str:
        return str(self._serving().engine.model)

    @property
    def provider(self) -> str:
        return self._serving().stage.provider


class FrontSTT(_Served, stt.STT[Any]):
    def __init__(self, serving: Serving) -> None:
        super().__init__(
            capabilities=stt.STTCapabilities(
                streaming=True, interim_results=True, chat_context=False
            )
        )
        self._serving = serving

    async def _recognize_impl(
        self,
        buffer: AudioBuffer,
        *,
        language: NotGivenOr[str] = NOT_GIVEN,
        conn_options: APIConnectOptions,
    ) -> stt.SpeechEvent:
        found: stt.SpeechEvent = await self._serving().engine.recognize(
            buffer, language=language, conn_options=conn_options
        )
        return found


class FrontLLM(_Served, llm.LLM[Any]):
    def __init__(self, serving: Serving) -> None:
        super().__init__()
        self._serving = serving

    def chat(
        self,
        *,
        chat_ctx: llm.ChatContext,
        tools: list[llm.Tool] | None = None,
        conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS,
        **options: Any,
    ) -> llm.LLMStream:
        stream: llm.LLMStream = self._serving().engine.chat(
            chat_ctx=chat_ctx, tools=tools, conn_options=conn_options, **options
        )
        return stream


class FrontTTS(_Served, tts.TTS[Any]):
    def __init__(self, serving: Serving, *, sample_rate: int) -> None:
        super().__init__(
            capabilities=tts.TTSCapabilities(streaming=True), sample_rate=sample_rate,
            num_channels=1,
        )  # fmt: skip
        self._serving = serving

    def synthesize(
        self, text: str, *, conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS
    ) -> tts.ChunkedStream:
        stream: tts.ChunkedStream = self._serving().engine.synthesize(
            text, conn_options=conn_options
        )
        return stream
