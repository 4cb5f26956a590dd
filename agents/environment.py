"""The environment's defaults of hybrid AI as one frozen value, read once at start. Pure."""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from agents.plan import Vad
from agents.providers import PROVIDERS, Provider, Role, by_name

MODES = ("hybrid", "api", "local", "project")
BUNDLED_DETECTOR = "v1-mini"  # comes with livekit-agents and needs no download
DETECTORS = ("multilingual", "english", BUNDLED_DETECTOR)
ORDER_VARIABLES = {role: f"{role.name}_FALLBACK_ORDER" for role in Role}
# without a scheme for Wyoming there is no telling Piper's two protocols apart
URL = re.compile(r"(https?|tcp)://[^\s/@]+(/\S*)?")

# where a server listens usually; a cloud provider's address is what its own documents call the root
USUAL_URLS: Mapping[str, str] = MappingProxyType(
    {
        "DEEPGRAM_BASE_URL": "https://api.deepgram.com",
        "OPENAI_BASE_URL": "https://api.openai.com/v1",
        "GROQ_BASE_URL": "https://api.groq.com/openai/v1",
        "ASSEMBLYAI_BASE_URL": "https://streaming.assemblyai.com",
        "ANTHROPIC_BASE_URL": "https://api.anthropic.com",
        "MISTRAL_BASE_URL": "https://api.mistral.ai",
        "CARTESIA_BASE_URL": "https://api.cartesia.ai",
        "ELEVENLABS_BASE_URL": "https://api.elevenlabs.io/v1",
        "WHISPER_LOCAL_URL": "http://localhost:8000/v1",
        "LOCAL_LLM_URL": "http://localhost:11434/v1",
        "KOKORO_URL": "http://localhost:8880/v1",
        "PIPER_URL": "http://localhost:10200",
        "MELOTTS_URL": "http://localhost:8888",
        "ZONOS_URL": "http://localhost:8181/v1",
    }
)


def is_elsewhere(provider: Provider, url: str) -> bool:
    """Whether an address is not the provider's own: a compatible server may want no key."""
    return bool(url) and url.rstrip("/") != USUAL_URLS.get(provider.url_env)


class BadEnvironment(Exception):
    """The text names the variable and what to write."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Defaults:
    mode: str
    orders: Mapping[Role, tuple[str, ...]]  # slugs; “local” is resolved
    cloud: Mapping[Role, str]  # the slug STT_PROVIDER and the like name
    local: Mapping[Role, str]  # what “local” means
    models: Mapping[str, tuple[str, str]]  # by slug: variable and value
    voices: Mapping[str, tuple[str, str]]
    keys: Mapping[str, str] = field(repr=False)  # by variable
    urls: Mapping[str, str]  # by variable; only those which are set
    whisper_implementation: str
    whisper_device: str
    whisper_compute_type: str
    vad: Vad
    vad_model: str
    turn_detector: str
    turn_detector_language: str
    target_latency_ms: int
    streaming: bool
    caching: bool
    prewarm: bool
    latency_metrics: bool
    health_check_s: int
    region: str
    preferred_regions: tuple[str, ...]
    given: frozenset[str]  # the variables which are set

    def offers(self, provider: Provider) -> bool:
        """Whether the environment alone makes a provider usable.

        That a local server has a usual address does not mean that it runs: its variable must be
        set, or an order or a mode ask for it by name.
        """
        if provider.embedded:
            return True
        if not provider.local:
            elsewhere = is_elsewhere(provider, self.urls.get(provider.url_env, ""))
            return provider.key_env in self.keys or elsewhere
        if provider.role is Role.LLM and provider.slug != self.local[Role.LLM]:
            return False  # the three kinds of server share one address
        return provider.url_env in self.urls or self._asks_for(provider)

    def _asks_for(self, provider: Provider) -> bool:
        ordered = provider.slug in self.orders[provider.role]
        by_mode = "AGENT_MODE" in self.given and self.mode == "local"
        is_local = provider.slug == self.local[provider.role]
        return (ordered and ORDER_VARIABLES[provider.role] in self.given) or (by_mode and is_local)

    def model(self, slug: str, *, set_only: bool) -> str:
        """`set_only`: a variable which is not set does not go before the price book."""
        return self._named(self.models, slug, set_only)

    def voice(self, slug: str, *, set_only: bool) -> str:
        return self._named(self.voices, slug, set_only)

    def _named(self, names: Mapping[str, tuple[str, str]], slug: str, set_only: bool) -> str:
        variable, value = names.get(slug, ("", ""))
        return value if variable in self.given or not set_only else ""

    def url(self, provider: Provider) -> str:
        """Empty: a cloud provider's own address."""
        usual = USUAL_URLS[provider.url_env] if provider.needs_url else ""
        return self.urls.get(provider.url_env, usual)


def read(environ: Mapping[str, str]) -> Defaults:
    """Raises BadEnvironment. An empty variable is as good as none."""
    env = _Reader(environ)
    cloud = {role: _cloud(env, role) for role in Role}
    local = {
        Role.STT: "whisper",
        Role.LLM: env.choice("LOCAL_LLM_API_TYPE", ("ollama", "vllm", "llama-cpp")),
        Role.TTS: env.choice("TTS_IMPLEMENTATION", ("kokoro", "piper", "melotts", "zonos")),
    }
    urls = {name: env.url(name) for name in USUAL_URLS}
    keys = {p.key_env: env.secret(p.key_env) for p in PROVIDERS.values() if p.key_env}
    return Defaults(
        mode=env.choice("AGENT_MODE", MODES),
        orders={role: _order(env, role, cloud[role], local[role]) for role in Role},
        cloud=cloud,
        local=local,
        models=_models(env, cloud, local),
        voices=_voices(env),
        keys=MappingProxyType({name: key for name, key in keys.items() if key}),
        urls=MappingProxyType({name: url for name, url in urls.items() if url}),
        whisper_implementation=env.choice(
            "WHISPER_IMPLEMENTATION", ("faster-whisper", "whisper-cpp")
        ),
        whisper_device=env.choice("WHISPER_DEVICE", ("cpu", "cuda")),
        whisper_compute_type=env.choice("WHISPER_COMPUTE_TYPE", ("int8", "float16")),
        vad=Vad(
            threshold=env.number("VAD_THRESHOLD", 0.5, least=0, most=1),
            min_speech_ms=env.ms("VAD_MIN_SPEECH_DURATION", 0.2),
            min_silence_ms=env.ms("VAD_MIN_SILENCE_DURATION", 0.5),
        ),
        vad_model=env.choice("VAD_MODEL", ("silero",)),
        **_detector(env),
        target_latency_ms=env.whole("TARGET_LATENCY_MS", 800),
        streaming=env.flag("ENABLE_STREAMING"),
        caching=env.flag("ENABLE_CACHING"),
        prewarm=env.flag("ENABLE_PREWARM"),
        latency_metrics=env.flag("ENABLE_LATENCY_METRICS"),
        health_check_s=env.whole("HEALTH_CHECK_INTERVAL", 30),
        region=env.text("DEPLOYMENT_REGION"),
        preferred_regions=env.words("PREFERRED_REGIONS", ()),
        given=frozenset(env.given),
    )


def _cloud(env: "_Reader", role: Role) -> str:
    usual = {Role.STT: "deepgram", Role.LLM: "openai", Role.TTS: "cartesia"}[role]
    names = [p.name for p in PROVIDERS.values() if p.role is role and not p.local]
    return _slug(role, env.choice(f"{role.name}_PROVIDER", [usual, *names]))


def _order(env: "_Reader", role: Role, cloud: str, local: str) -> tuple[str, ...]:
    """Slugs, each once."""
    name = ORDER_VARIABLES[role]
    known = ["local", *(p.name for p in PROVIDERS.values() if p.role is role)]
    words = env.words(name, (PROVIDERS[cloud].name, "local"))
    for word in words:
        if word not in known:
            raise BadEnvironment(
                f"{name} names {word!r}; write a list, as "
                f"{PROVIDERS[cloud].name},local, of {_listed(known)}."
            )
    return tuple(dict.fromkeys(local if word == "local" else _slug(role, word) for word in words))


def _slug(role: Role, name: str) -> str:
    provider = by_name(role, name)
    assert provider is not None  # only names of the catalogue come here
    return provider.slug


def _models(
    env: "_Reader", cloud: Mapping[Role, str], local: Mapping[Role, str]
) -> Mapping[str, tuple[str, str]]:
    """LLM_MODEL is for the provider LLM_PROVIDER names, and for no other."""
    usual_llm = {"openai-llm": "gpt-4o-mini"}.get(cloud[Role.LLM], "")
    usual_local = {"ollama": "llama3.2:3b"}.get(local[Role.LLM], "")
    return MappingProxyType(
        {
            "whisper": ("WHISPER_MODEL", env.text("WHISPER_MODEL", "small")),
            cloud[Role.LLM]: ("LLM_MODEL", env.text("LLM_MODEL", usual_llm)),
            local[Role.LLM]: ("LOCAL_LLM_MODEL", env.text("LOCAL_LLM_MODEL", usual_local)),
        }
    )


def _voices(env: "_Reader") -> Mapping[str, tuple[str, str]]:
    return MappingProxyType(
        {
            "kokoro": ("KOKORO_VOICE", env.text("KOKORO_VOICE", "af_bella")),
            "piper": ("PIPER_VOICE", env.text("PIPER_VOICE", "en_US-lessac-medium")),
        }
    )


def _detector(env: "_Reader") -> dict[str, str]:
    """Unset: the bundled one. It understands many languages, and the others need a download."""
    model = env.choice("TURN_DETECTOR_MODEL", (BUNDLED_DETECTOR, *DETECTORS[:2]))
    language = env.text("TURN_DETECTOR_LANGUAGE", "en")
    if model == "english" and language.partition("-")[0] != "en":
        raise BadEnvironment(
            f"TURN_DETECTOR_MODEL=english does not understand TURN_DETECTOR_LANGUAGE={language}; "
            f"write TURN_DETECTOR_MODEL=multilingual."
        )
    return {"turn_detector": model, "turn_detector_language": language}


def _listed(values: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(values))


class _Reader:
    """Typed looks at a mapping; remembers which variables were set."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.given: set[str] = set()

    def text(self, name: str, default: str = "") -> str:
        value = self._environ.get(name, "").strip()
        if value:
            self.given.add(name)
        return value or default

    def choice(self, name: str, values: Collection[str]) -> str:
        """The first value is the default."""
        value = self.text(name, next(iter(values)))
        if value not in values:
            raise BadEnvironment(f"{name} is {value!r}; write one of {_listed(values)}.")
        return value

    def words(self, name: str, default: tuple[str, ...]) -> tuple[str, ...]:
        words = tuple(word.strip() for word in self.text(name).split(",") if word.strip())
        return words or default

    def flag(self, name: str) -> bool:
        return self.choice(name, ("true", "false")) == "true"

    def number(self, name: str, default: float, *, least: float, most: float) -> float:
        value = self.text(name, str(default))
        try:
            number = float(value)
        except ValueError:
            number = least - 1
        if not least <= number <= most:
            raise BadEnvironment(
                f"{name} is {value!r}; write a number from {least:g} to {most:g}, as {default}."
            )
        return number

    def ms(self, name: str, default_s: float) -> int:
        """Variables are in seconds, the plan is in milliseconds."""
        return round(self.number(name, default_s, least=0, most=10) * 1000)

    def whole(self, name: str, default: int) -> int:
        value = self.text(name, str(default))
        if not value.isascii() or not value.isdigit() or int(value) < 1:
            raise BadEnvironment(f"{name} is {value!r}; write a whole number of 1 or more.")
        return int(value)

    def url(self, name: str) -> str:
        value = self.text(name).rstrip("/")
        if value and not URL.fullmatch(value):
            # the value is not repeated: it may hold a password
            raise BadEnvironment(
                f"{name} is no address; write it whole and without a password, as "
                f"{USUAL_URLS[name]}."
            )
        return value

    def secret(self, name: str) -> str:
        """`NAME_FILE` (a mounted secret) wins over `NAME`."""
        path = self.text(f"{name}_FILE")
        if not path:
            return self.text(name)
        try:
            value = Path(path).read_text().strip()
        except OSError as reason:
            raise BadEnvironment(f"{name}_FILE: cannot read {path}.") from reason
        if value:
            self.given.add(name)
        return value
