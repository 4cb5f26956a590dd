"""Who answers: projects, their FAQ, provider accounts and published plans."""

from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models import Q

from agents.environment import URL
from agents.models_consent import RecordingRules
from agents.presets import VAD_LABELS
from agents.providers import PROVIDERS

LANGUAGE = RegexValidator(
    r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$", "Write a language tag such as “en” or “en-GB”."
)
DIGIT = RegexValidator(r"^[0-9*#]$", "Write one key of the telephone: 0 to 9, * or #.")
# Django's own check wants a dot in the host; servers of one's own are often called “whisper”
BASE_URL = RegexValidator(
    rf"^{URL.pattern}$",
    "Write the whole address, as http://whisper:8000/v1, without name and password.",
)
ROLE_LABELS = [("stt", "Speech to text"), ("llm", "Answers"), ("tts", "Text to speech")]
MODE_LABELS = [
    ("hybrid", "Hybrid: cloud first, then our own servers"),
    ("api", "Cloud only"),
    ("local", "Nothing leaves the house"),
    ("project", "Only what this project names"),
]
TIER_LABELS = [("ultra", "Ultra"), ("fast", "Fast"), ("balanced", "Balanced"), ("local", "Local")]
DETECTOR_LABELS = [
    ("v1-mini", "Bundled, many languages"),
    ("multilingual", "Multilingual (needs a download)"),
    ("english", "English (needs a download)"),
]


class ProviderAccount(models.Model):
    """An account with a provider of speech or language. Its key is only ever kept sealed."""

    class Source(models.TextChoices):
        DESK = "desk", "Entered here"
        ENVIRONMENT = "environment", "Environment"

    name = models.CharField(max_length=80, unique=True)
    source = models.CharField(
        "from", max_length=11, choices=Source.choices, default=Source.DESK, editable=False
    )
    enabled = models.BooleanField(
        default=True, editable=False, help_text="No: its variables are gone from the environment."
    )
    provider = models.CharField(max_length=32)
    base_url = models.CharField(
        "base URL",
        max_length=200,
        blank=True,
        validators=[BASE_URL],
        help_text="Only for a server of your own or a compatible one.",
    )
    model = models.CharField(
        max_length=120, blank=True, help_text="Empty: the provider's usual one."
    )
    sealed_key = models.TextField(blank=True, editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["provider"],
                condition=Q(source="environment"),
                name="environment_account_once",
            )
        ]

    def __str__(self) -> str:
        known = PROVIDERS.get(self.provider)
        label = known.label if known else self.provider
        name = self.name if label in self.name else f"{self.name}, {label}"
        return name if self.enabled else f"{name}, gone"


def _switch(label: str, help_text: str) -> "models.BooleanField[bool | None, bool | None]":
    """Yes, no, or what the environment says."""
    return models.BooleanField(label, null=True, blank=True, help_text=help_text)


class Project(RecordingRules):
    """What callers of one line hear. A draft until it is published."""

    class Kind(models.TextChoices):
        BOT = "bot", "Talking bot"
        MENU = "menu", "Menu"
        MENU_SPEECH = "menu_speech", "Menu and speech"

    class Recorder(models.TextChoices):
        WORKER = "worker", "The bot's own recorder"
        EGRESS = "egress", "LiveKit egress"

    slug = models.SlugField(unique=True)
    name = models.CharField(max_length=120)
    language = models.CharField(max_length=16, default="en", validators=[LANGUAGE])
    kind = models.CharField(
        "callers meet",
        max_length=11,
        choices=Kind.choices,
        default=Kind.BOT,
        help_text="Menu: announcements and keys. With speech callers may also say what they want.",
    )
    menu_invalid = models.TextField("wrong key", default="Sorry, that key has no meaning here.")
    digits_confirm = models.TextField(
        "digits read back",
        default="You entered {digits}. Press 1 if that is right, or 2 to enter it again.",
        help_text="{digits} stands for what the caller entered.",
    )
    greeting = models.TextField(help_text="The first words a caller hears.")
    instructions = models.TextField(
        blank=True, help_text="What a language model is told. The embedded engine does not read it."
    )
    ask_back = models.TextField(default="Sorry, I did not get that. Could you say it another way?")
    apology = models.TextField(default="Sorry, something went wrong on our side.")
    handover = models.TextField(default="I will let a colleague know. They will call you back.")
    goodbye = models.TextField(default="Thank you for calling. Good-bye.")
    silence_prompt = models.TextField(default="Are you still there?")
    silence_prompt_2 = models.TextField(
        "silence prompt, second", default="I cannot hear you. Please say something, or press a key."
    )
    silence_s = models.PositiveIntegerField(
        "silence (s)",
        default=15,
        validators=[MinValueValidator(3), MaxValueValidator(120)],
        help_text="Seconds without a word until the bot asks; after as many again it asks a "
        "second time, and after as many more it says good-bye.",
    )
    max_call_s = models.PositiveIntegerField(
        "longest call (s)",
        default=1800,
        validators=[MinValueValidator(30), MaxValueValidator(14_400)],
        help_text="Seconds after which the bot ends any call.",
    )
    warn_before_s = models.PositiveIntegerField(
        "warning (s before)",
        default=60,
        validators=[MaxValueValidator(600)],
        help_text="So long before the longest call ends the caller is told; not if calls are "
        "shorter than that. 0: never.",
    )
    warning = models.TextField(
        "warning before the end",
        default="This call will end in about a minute. Is there anything else?",
        blank=True,
    )
    filler = models.TextField(
        default="One moment, please.",
        blank=True,
        help_text="Spoken when an answer takes long. Empty: the caller waits in silence.",
    )
    fallback_number = models.CharField(
        max_length=32,
        blank=True,
        help_text="As +12025550100: where callers go when every provider is down.",
    )
    mode = models.CharField(
        max_length=8, choices=MODE_LABELS, blank=True, help_text="Empty: AGENT_MODE decides."
    )
    tier = models.CharField(
        "speed",
        max_length=8,
        choices=TIER_LABELS,
        blank=True,
        help_text="Fills speech to text, answers and text to speech at once. "
        "Empty: the environment decides. Providers named below go before both.",
    )
    vad_preset = models.CharField(
        "listening",
        max_length=16,
        choices=VAD_LABELS,
        blank=True,
        help_text="Empty: the VAD_… variables decide.",
    )
    turn_detector = models.CharField(
        "end of turn",
        max_length=12,
        choices=DETECTOR_LABELS,
        blank=True,
        help_text="Empty: TURN_DETECTOR_MODEL decides.",
    )
    use_prewarm = _switch("prewarm", "Models are loaded and connections opened while it rings.")
    use_preemptive_llm = _switch(
        "early answer", "The model begins before the caller's turn is surely over."
    )
    use_preemptive_tts = _switch("early voice", "The voice begins as early, too.")
    use_eager_end = _switch("eager listening", "Begin on words which are not final yet.")
    use_expected_answer = _switch(
        "fitting patience", "Wait less, or longer, by what was asked (yes or no, digits)."
    )
    use_first_clause = _switch(
        "first clause", "Speak after the first clause instead of the first sentence."
    )
    use_faq_cache = _switch("FAQ cache", "Questions of the FAQ are answered without the model.")
    use_filler = _switch("filler", "A few words when an answer takes long.")
    use_noise_suppression = _switch("noise suppression", "Takes noise out of the caller's line.")
    record = models.BooleanField(default=True, help_text="Record the calls of this project.")
    recorder = models.CharField(max_length=8, choices=Recorder.choices, default=Recorder.WORKER)
    published = models.ForeignKey(
        "PublishedPlan", models.PROTECT, null=True, blank=True, editable=False, related_name="+"
    )

    def __str__(self) -> str:
        return f"{self.name} ({self.slug})"


class ChainMember(models.Model):
    """One provider in a project's own chain for a role: the first one which works is used."""

    project = models.ForeignKey(Project, models.CASCADE, related_name="members")
    role = models.CharField(max_length=3, choices=ROLE_LABELS)
    position = models.PositiveIntegerField(default=0)
    account = models.ForeignKey(ProviderAccount, models.PROTECT, related_name="members")
    model = models.CharField(max_length=120, blank=True)
    voice = models.CharField(max_length=80, blank=True)

    class Meta:
        ordering = ("role", "position", "pk")

    def __str__(self) -> str:
        return f"{self.get_role_display()}: {self.account}"


class FaqEntry(models.Model):
    """A question the project answers itself."""

    project = models.ForeignKey(Project, models.CASCADE, related_name="faq")
    question = models.CharField(max_length=300)
    variants = models.TextField(
        blank=True, help_text="Other ways callers say it, one a line. More lines, fewer mistakes."
    )
    answer = models.TextField()
    live = models.BooleanField(
        "needs live data", default=False, help_text="Never answered from the cache."
    )
    digit = models.CharField(
        max_length=1, blank=True, validators=[DIGIT], help_text="A key which asks this question."
    )
    position = models.PositiveIntegerField(default=0)

    class Meta:
        verbose_name = "FAQ entry"
        verbose_name_plural = "FAQ entries"
        constraints = [
            models.UniqueConstraint(
                fields=["project", "digit"],
                condition=~Q(digit=""),
                name="faq_digit_once_a_project",
                violation_error_message="Another question of this project has this key.",
            )
        ]

    def __str__(self) -> str:
        return self.question

    def variant_lines(self) -> list[str]:
        return [line.strip() for line in self.variants.splitlines() if line.strip()]


class PublishedPlan(models.Model):
    """What calls run on: immutable text, named by its SHA-256."""

    project = models.ForeignKey(Project, models.CASCADE, related_name="plans")
    digest = models.CharField(max_length=64, unique=True)
    version = models.PositiveIntegerField()
    body = models.TextField()
    created_at = models.DateTimeField()
    created_by = models.CharField(max_length=150, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "version"], name="plan_version_once")
        ]

    def __str__(self) -> str:
        return f"{self.project.slug} version {self.version} ({self.digest[:12]})"


from agents.models_menu import DigitPurpose as DigitPurpose  # noqa: E402
from agents.models_menu import MenuOption as MenuOption  # noqa: E402
from agents.models_menu import MenuPage as MenuPage  # noqa: E402
from agents.models_prices import CheaperOrder as CheaperOrder  # noqa: E402
from agents.models_prices import PriceEntry as PriceEntry  # noqa: E402
from agents.models_trials import ProviderTrial as ProviderTrial  # noqa: E402
