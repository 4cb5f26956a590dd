"""What a project says about recording: asking first, pausing, and payment cards."""

from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models

PAUSE_KEY = RegexValidator(r"^[0-9*#A-D]$", "Write one key: 0 to 9, *, # or A to D.")


class RecordingRules(models.Model):
    """A part of a project."""

    class Consent(models.TextChoices):
        NONE = "none", "Nobody is told or asked"
        ANNOUNCEMENT = "announcement", "Callers are told"
        QUESTION = "question", "Callers are asked"

    consent = models.CharField(
        "before recording",
        max_length=12,
        choices=Consent.choices,
        default=Consent.NONE,
        help_text="Nothing is recorded before. Asked: 1 or yes, 2 or no; no answer is a no.",
    )
    consent_words = models.TextField(
        "words before recording",
        blank=True,
        default="May we record this call to improve our service? Press 1 or say yes if you agree, "
        "press 2 or say no if not.",
        help_text="Each answer keeps a fingerprint of the words which were spoken.",
    )
    consent_refused = models.TextField(
        "after a no", blank=True, default="All right, this call is not recorded."
    )
    pause_key = models.CharField(
        max_length=1,
        blank=True,
        validators=[PAUSE_KEY],
        help_text="Pauses the recording, and lets it go on. It has no other meaning then.",
    )
    bot_pauses = models.BooleanField(
        "the bot may pause", default=False, help_text="When a caller asks a language model for it."
    )
    paused = models.TextField("words for a pause", blank=True, default="The recording is paused.")
    resumed = models.TextField("words after it", blank=True, default="The recording goes on.")
    card_expiry = models.TextField(
        "question for the expiry",
        blank=True,
        default="Now the expiry date, two digits for the month and two for the year.",
    )
    card_code = models.TextField(
        "question for the code",
        blank=True,
        default="Now the security code of the card, then press hash.",
    )
    card_wrong = models.TextField(
        "words after a slip", blank=True, default="Sorry, that cannot be right."
    )
    card_wait = models.TextField(
        "words meanwhile", blank=True, default="Thank you. One moment, please."
    )
    card_done = models.TextField(
        "words when it is done", blank=True, default="Your card has been taken."
    )
    card_failed = models.TextField(
        "words when it failed",
        blank=True,
        default="I am sorry, your card could not be taken. Nothing of it was kept.",
    )
    tokeniser_url = models.CharField(
        "tokeniser",
        max_length=300,
        blank=True,
        help_text="As https://cards.example.com/tokens: gets number, expiry and code, answers with "
        "a token. Its host has to be in TOKENISER_HOSTS.",
    )
    tokeniser_ms = models.PositiveIntegerField(
        "patience (ms)",
        default=4000,
        validators=[MinValueValidator(500), MaxValueValidator(10_000)],
        help_text="So long an answer may take; it is asked a second time.",
    )
    sealed_tokeniser_secret = models.TextField(blank=True, editable=False)

    class Meta:
        abstract = True
