"""Where each emulator answers, below the address of them all."""

# name (as in faults and log) → its API root: what its *_BASE_URL wants
PATHS = {
    "deepgram": "/deepgram",
    "assemblyai": "/assemblyai",
    "cartesia": "/cartesia",
    "elevenlabs": "/elevenlabs/v1",
    "openai": "/openai/v1",
    "groq": "/groq/openai/v1",
    "mistral": "/mistral",
    "anthropic": "/anthropic",
    "ollama": "/ollama/v1",
    "vllm": "/vllm/v1",
    "llamacpp": "/llamacpp/v1",
    "whisper": "/whisper/v1",
    "kokoro": "/kokoro/v1",
    "piper": "/piper",
    "melotts": "/melotts",
    "zonos": "/zonos/v1",
}
KEYED = (
    "deepgram", "assemblyai", "cartesia", "elevenlabs", "openai", "groq", "mistral", "anthropic",
)  # fmt: skip
KEY = "emulated"


class Addresses:
    """Of emulators, wherever they run."""

    base: str
    wyoming_url: str

    def url(self, name: str) -> str:
        """The API root of a provider: what its *_BASE_URL wants."""
        return self.base + PATHS[name]

    def environment(self) -> dict[str, str]:
        """The variables which point the product here."""
        urls = {f"{name.upper()}_BASE_URL": self.url(name) for name in KEYED}
        keys = {f"{name.upper()}_API_KEY": KEY for name in KEYED}
        local = {
            "WHISPER_LOCAL_URL": self.url("whisper"),
            "LOCAL_LLM_URL": self.url("ollama"),
            "KOKORO_URL": self.url("kokoro"),
            "PIPER_URL": self.wyoming_url,
            "MELOTTS_URL": self.url("melotts"),
            "ZONOS_URL": self.url("zonos"),
        }
        return urls | keys | local
