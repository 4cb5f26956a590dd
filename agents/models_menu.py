"""The classic telephone menu of a project, and the digits its callers may be asked for."""

from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models

KEY = RegexValidator(r"^[0-9*#A-D]$", "Write one key: 0 to 9, *, # or A to D.")
DOES_LABELS = [
    ("answer", "Says the words"),
    ("menu", "Opens a menu"),
    ("faq", "Answers a question of the FAQ"),
    ("collect", "Asks for digits"),
    ("person", "Asks for a person"),
    ("bot", "Hands over to the talking bot"),
    ("end", "Ends the call"),
]
THEN_LABELS = [
    ("person", "Ask for a person"),
    ("bot", "Hand over to the talking bot"),
    ("end", "End the call politely"),
]


class DigitPurpose(models.Model):
    """Digits a caller may be asked for, by the menu or by the bot. A model cannot add any."""

    project = models.ForeignKey("agents.Project", models.CASCADE, related_name="purposes")
    key = models.SlugField(
        "name", max_length=40, help_text="As order_number: what the bot and hooks call it."
    )
    ask = models.TextField(
        "question", help_text="Spoken. As: Enter your order number, then press hash."
    )
    least = models.PositiveIntegerField(
        "at least", default=1, validators=[MinValueValidator(1), MaxValueValidator(40)]
    )
    most = models.PositiveIntegerField(
        "at most",
        default=12,
        validators=[MinValueValidator(1), MaxValueValidator(40)],
        help_text="The last possible digit ends it, as # does; * begins again.",
    )
    secret = models.BooleanField(
        default=False,
        help_text="A PIN or the like: in no journal, log or transcript, and unknown to any model.",
    )
    confirm = models.BooleanField(
        "read back", default=False, help_text="The caller agrees with 1, or enters it again."
    )
    card = models.BooleanField(
        "payment card",
        default=False,
        help_text="The question is for its number; expiry and code are asked for after it. They go "
        "to the project's tokeniser, and nowhere else.",
    )
    pauses = models.BooleanField(
        "not recorded", default=False, help_text="The recording pauses until they are entered."
    )
    gap_s = models.PositiveIntegerField(
        "pause (s)",
        default=4,
        validators=[MinValueValidator(1), MaxValueValidator(30)],
        help_text="So long after a key the digits are taken for complete.",
    )
    total_s = models.PositiveIntegerField(
        "in all (s)", default=30, validators=[MinValueValidator(5), MaxValueValidator(120)]
    )

    class Meta:
        verbose_name = "digits to collect"
        verbose_name_plural = "digits to collect"
        ordering = ("key",)
        constraints = [
            models.UniqueConstraint(
                fields=["project", "key"],
                name="purpose_once_a_project",
                violation_error_message="This project has digits of that name.",
            )
        ]

    def __str__(self) -> str:
        return self.key


class MenuPage(models.Model):
    """One announcement with its keys. Callers begin at the first of a project."""

    project = models.ForeignKey("agents.Project", models.CASCADE, related_name="menus")
    name = models.CharField(max_length=60, help_text="For you; callers do not hear it.")
    position = models.PositiveIntegerField(
        default=0, help_text="Callers begin at the menu with the lowest one."
    )
    announcement = models.TextField(
        help_text="Spoken. As: For our opening hours press 1, for a repair press 2."
    )
    timeout_s = models.PositiveIntegerField(
        "wait (s)",
        default=6,
        validators=[MinValueValidator(1), MaxValueValidator(60)],
        help_text="For a key, after the announcement.",
    )
    repeats = models.PositiveIntegerField(
        default=2,
        validators=[MaxValueValidator(9)],
        help_text="So often it is said again when no key comes, or a wrong one.",
    )
    then = models.CharField(
        "and then", max_length=6, choices=THEN_LABELS, default="person",
    )  # fmt: skip

    class Meta:
        verbose_name = "telephone menu"
        ordering = ("position", "pk")
        constraints = [
            models.UniqueConstraint(
                fields=["project", "name"],
                name="menu_once_a_project",
                violation_error_message="This project has a menu of that name.",
            )
        ]

    def __str__(self) -> str:
        return self.name


class MenuOption(models.Model):
    """What one key of a menu does."""

    page = models.ForeignKey(MenuPage, models.CASCADE, related_name="options")
    digit = models.CharField("key", max_length=1, validators=[KEY])
    does = models.CharField(max_length=7, choices=DOES_LABELS, default="answer")
    says = models.TextField(
        "words", blank=True, help_text="Spoken: the answer, or a word before what follows."
    )
    menu = models.ForeignKey(
        MenuPage,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        help_text="To be opened; after an answer or digits: where it goes on. Empty: here.",
    )
    faq = models.ForeignKey(
        "agents.FaqEntry", models.SET_NULL, null=True, blank=True, verbose_name="FAQ entry",
        related_name="+",
    )  # fmt: skip
    purpose = models.ForeignKey(
        DigitPurpose, models.SET_NULL, null=True, blank=True, verbose_name="digits",
        related_name="+",
    )  # fmt: skip
    names = models.TextField(
        "spoken as", blank=True,
        help_text="What callers may say instead, one a line (menu and speech).",
    )  # fmt: skip

    class Meta:
        verbose_name = "key"
        ordering = ("digit",)
        constraints = [
            models.UniqueConstraint(
                fields=["page", "digit"],
                name="digit_once_a_menu",
                violation_error_message="This menu has that key already.",
            )
        ]

    def __str__(self) -> str:
        return f"{self.digit}: {self.get_does_display()}"
