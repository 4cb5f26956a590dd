"""Ready-made settings of voice activity detection. Pure."""

from collections.abc import Mapping
from types import MappingProxyType

from agents.plan import Vad

DEFAULT_VAD = "conversation"

VAD_PRESETS: Mapping[str, Vad] = MappingProxyType(
    {
        "fast_qa": Vad(threshold=0.6, min_speech_ms=50, min_silence_ms=300, prefix_ms=100),
        "conversation": Vad(threshold=0.5, min_speech_ms=100, min_silence_ms=500, prefix_ms=150),
        "noisy": Vad(threshold=0.7, min_speech_ms=200, min_silence_ms=600, prefix_ms=200),
        "thoughtful": Vad(threshold=0.4, min_speech_ms=150, min_silence_ms=800, prefix_ms=200),
    }
)

VAD_LABELS = [
    ("fast_qa", "Quick questions and answers"),
    ("conversation", "Conversation"),
    ("noisy", "Noisy lines"),
    ("thoughtful", "Callers who think aloud"),
]
