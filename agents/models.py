"""Who answers: projects, their FAQ, provider accounts and published plans."""

from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models import Q

from agents.presets import DEFAULT_VAD, VAD_LABELS
from agents.providers import PROVIDERS

LANGUAGE = RegexValidator(
    r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$", "Write a language tag such as “en” or “en-GB”."
)
DIGIT = RegexValidator(r"^[0-9*#]$", "Write one key of the telephone: 0 to 9, * or #.")
# Django's own check wants a dot in the host; servers of one's own are often called “whisper”
BASE_URL = RegexValidator(
    r"^https?://[^\s/]+(/\S*)?$", "Write the whole address, as http://whisper:8000/v1."
)


class ProviderAccount(models.Model):
    """An account with a provider of speech or language. Its key is only ever kept sealed."""

    name = models.CharField(max_length=80, unique=True)
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

    def __str__(self) -> str:
        known = PROVIDERS.get(self.provider)
        return f"{self.name} ({known.label if known else self.provider})"


class Project(models.Model):
    """What callers of one line hear. A draft until it is published."""

    class Recorder(models.TextChoices):
        WORKER = "worker", "The bot's own recorder"
        EGRESS = "egress", "LiveKit egress"

    slug = models.SlugField(unique=True)
    name = models.CharField(max_length=120)
    language = models.CharField(max_length=16, default="en", validators=[LANGUAGE])
    greeting = models.TextField(help_text="The first words a caller hears.")
    instructions = models.TextField(
        blank=True, help_text="What a language model is told. The embedded engine does not read it."
    )
    ask_back = models.TextField(default="Sorry, I did not get that. Could you say it another way?")
    apology = models.TextField(default="Sorry, something went wrong on our side.")
    handover = models.TextField(default="I will let a colleague know. They will call you back.")
    goodbye = models.TextField(default="Thank you for calling. Good-bye.")
    silence_prompt = models.TextField(default="Are you still there?")
    silence_s = models.PositiveIntegerField(
        "silence (s)",
        default=15,
        validators=[MinValueValidator(3), MaxValueValidator(120)],
        help_text="Seconds without a word until the bot asks; after twice that it hangs up.",
    )
    max_call_s = models.PositiveIntegerField(
        "longest call (s)",
        default=1800,
        validators=[MinValueValidator(30), MaxValueValidator(14_400)],
        help_text="Seconds after which the bot ends any call.",
    )
    stt_account = models.ForeignKey(
        ProviderAccount, models.PROTECT, related_name="+", verbose_name="speech to text"
    )
    llm_account = models.ForeignKey(
        ProviderAccount, models.PROTECT, related_name="+", verbose_name="answers"
    )
    tts_account = models.ForeignKey(
        ProviderAccount, models.PROTECT, related_name="+", verbose_name="text to speech"
    )
    voice = models.CharField(
        max_length=80, blank=True, help_text="Empty: the provider's usual voice."
    )
    vad_preset = models.CharField(
        "listening", max_length=16, choices=VAD_LABELS, default=DEFAULT_VAD
    )
    record = models.BooleanField(default=True, help_text="Record the calls of this project.")
    recorder = models.CharField(max_length=8, choices=Recorder.choices, default=Recorder.WORKER)
    published = models.ForeignKey(
        "PublishedPlan", models.PROTECT, null=True, blank=True, editable=False, related_name="+"
    )

    def __str__(self) -> str:
        return f"{self.name} ({self.slug})"


class FaqEntry(models.Model):
    """A question the project answers itself."""

    project = models.ForeignKey(Project, models.CASCADE, related_name="faq")
    question = models.CharField(max_length=300)
    variants = models.TextField(
        blank=True, help_text="Other ways callers say it, one a line. More lines, fewer mistakes."
    )
    answer = models.TextField()
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
