"""Forms of opening hours, of what happens to a number's calls, and of callers."""

from datetime import date
from typing import Any

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from unfold.widgets import UnfoldAdminPasswordWidget, UnfoldAdminTextInputWidget

from agents import hosts, seal
from agents.entrance import digits
from telephony import shapes
from telephony.forms import LinesField
from telephony.models import CallerRule, Entrance, Schedule


def day(text: str) -> str:
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError as reason:
        raise shapes.Misshapen(f"“{text}” is no day. Write it as 2026-12-24.") from reason


class ScheduleForm(forms.ModelForm):  # type: ignore[type-arg]
    closed_on = LinesField(
        shape=day, label="Closed on", help_text="Further days, one a line, as 2026-12-24."
    )

    class Meta:
        model = Schedule
        fields = ("name", "expression", "timezone", "country", "closed_on")

    def clean_country(self) -> str:
        return str(self.cleaned_data["country"]).upper()


class EntranceForm(forms.ModelForm):  # type: ignore[type-arg]
    lookup_secret = forms.CharField(
        label="Secret",
        required=False,
        strip=False,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"}),
        help_text="Signs each request. Kept sealed and never shown again. Empty: leave as it is.",
    )

    class Meta:
        model = Entrance
        exclude = ("number",)
        labels = {
            "closed_action": "What happens",
            "closed_words": "What is said",
            "voicemail_limit_s": "Longest message (s)",
            "voicemail_silence_s": "Ends after silence of (s)",
            "lookup_ms": "Time limit (ms)",
            "ring_limit_s": "Rings at most (s)",
        }

    def clean_closed_number(self) -> str:
        return _number(self.cleaned_data["closed_number"])

    def clean_overflow_number(self) -> str:
        return _number(self.cleaned_data["overflow_number"])

    def clean_priority(self) -> int:
        return _priority(self.cleaned_data["priority"])

    def clean_lookup_ms(self) -> int:
        ms: int = self.cleaned_data["lookup_ms"]
        if not 50 <= ms <= 5000:
            raise ValidationError(f"{ms} ms is out of range. Write 50 to 5000.")
        return ms

    def clean_voicemail_limit_s(self) -> int:
        return _within(self.cleaned_data["voicemail_limit_s"], 5, 600)

    def clean_voicemail_silence_s(self) -> int:
        return _within(self.cleaned_data["voicemail_silence_s"], 2, 30)

    def clean_ring_limit_s(self) -> int | None:
        limit = self.cleaned_data["ring_limit_s"]
        return None if limit is None else _within(limit, 3, settings.RINGING_SECONDS - 1)

    def clean_lookup_url(self) -> str:
        url: str = self.cleaned_data["lookup_url"]
        if url and not hosts.is_allowed(url, settings.LOOKUP_HOSTS):
            known = ", ".join(settings.LOOKUP_HOSTS) or "none so far"
            raise ValidationError(
                f"The host of this address may not be asked. Allowed: {known}. "
                f"An operator adds it to LOOKUP_HOSTS."
            )
        return url

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        action = data.get("closed_action")
        if data.get("schedule") and action in {"message", "voicemail"}:
            self._need(data, "closed_words", "Write what the caller hears.")
        if data.get("schedule") and action == "forward":
            self._need(data, "closed_number", "Write the number callers are sent to.")
        if data.get("blocked_action") == "message":
            self._need(data, "blocked_words", "Write what blocked callers hear, or refuse them.")
        if data.get("overflow_number"):
            self._need(data, "overflow_trunk", "Choose the outbound trunk which calls it.")
        has_project = data.get("project")
        if has_project and not has_project.published_id:
            self.add_error("project", f"“{has_project}” is not published. Publish it first.")
        return data

    def _need(self, data: dict[str, Any], name: str, words: str) -> None:
        if name in data and not data[name]:
            self.add_error(name, words)

    def save(self, commit: bool = True) -> Entrance:
        if secret := self.cleaned_data.get("lookup_secret"):
            self.instance.sealed_lookup_secret = seal.seal(secret, keys=settings.SEAL_KEYS)
        elif not self.cleaned_data.get("lookup_url"):
            self.instance.sealed_lookup_secret = ""
        entrance: Entrance = super().save(commit)
        return entrance


class CallerRuleForm(forms.ModelForm):  # type: ignore[type-arg]
    typed = forms.CharField(
        label="Caller",
        max_length=32,
        widget=UnfoldAdminTextInputWidget,
        help_text="A number with its country code, as +12025550100, or its beginning, as +1202.",
    )

    class Meta:
        model = CallerRule
        fields = ("kind", "is_prefix", "number", "priority", "note", "expires_at")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            self.initial["typed"] = f"+{self.instance.digits}"

    def clean_priority(self) -> int:
        return _priority(self.cleaned_data["priority"])

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        if "typed" in data:
            try:
                self.instance.digits = self._digits(data["typed"], bool(data.get("is_prefix")))
            except shapes.Misshapen as reason:
                self.add_error("typed", str(reason))
        return data

    def _digits(self, typed: str, is_prefix: bool) -> str:
        if not is_prefix:
            return shapes.e164(typed).removeprefix("+")
        found = digits(typed).removeprefix("00")
        if not 1 <= len(found) <= 15 or not typed.strip().startswith(("+", "00")):
            raise shapes.Misshapen(
                f"“{typed}” is no beginning of a number. Write it with its country code, as +1202."
            )
        return found

    def _get_validation_exclusions(self) -> set[str]:
        """`digits` is set from what was typed, and its uniqueness is checked."""
        excluded: set[str] = super()._get_validation_exclusions()  # type: ignore[misc]
        return excluded - {"digits"}


def _number(typed: str) -> str:
    try:
        return shapes.e164(typed) if typed.strip() else ""
    except shapes.Misshapen as reason:
        raise ValidationError(str(reason)) from reason


def _priority(value: int) -> int:
    return _within(value, 0, 9)


def _within(value: int, least: int, most: int) -> int:
    if not least <= value <= most:
        raise ValidationError(f"{value} is out of range. Write {least} to {most}.")
    return value
