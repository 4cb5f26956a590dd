"""Admin forms drawn from the catalogue of providers."""

from typing import Any

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.forms import BaseInlineFormSet
from unfold.widgets import (
    UnfoldAdminPasswordWidget,
    UnfoldAdminSelectWidget,
)

from agents import pricebook, seal
from agents.draft import as_e164
from agents.effective import SWITCHES, usual_switch
from agents.environment import USUAL_URLS, Defaults
from agents.forms_consent import TokeniserFields
from agents.models import (
    DETECTOR_LABELS,
    MODE_LABELS,
    ROLE_LABELS,
    ChainMember,
    Project,
    ProviderAccount,
)
from agents.presets import VAD_LABELS
from agents.providers import PROVIDERS, Provider, Role, for_role
from agents.tiers import tiers


class ProviderAccountForm(forms.ModelForm):  # type: ignore[type-arg]
    provider = forms.ChoiceField(
        choices=[("", "—"), *((label, for_role(Role(role))) for role, label in ROLE_LABELS)],
        widget=UnfoldAdminSelectWidget,
    )
    key = forms.CharField(
        required=False,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"}),
        help_text="Kept sealed and never shown again. Empty: leave as it is.",
    )
    forget_key = forms.BooleanField(required=False, help_text="Delete the key we hold.")

    class Meta:
        model = ProviderAccount
        fields = ("name", "provider", "base_url", "model")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if provider := PROVIDERS.get(self.instance.provider or self.initial.get("provider", "")):
            self._hint("base_url", USUAL_URLS.get(provider.url_env, ""))
            self._hint("model", pricebook.default_model(provider.slug))
            if provider.needs_url and "base_url" in self.fields:
                self.fields["base_url"].help_text = "Where your server listens."

    def _hint(self, name: str, text: str) -> None:
        if name in self.fields and text:
            self.fields[name].widget.attrs["placeholder"] = text

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        provider = PROVIDERS.get(data.get("provider") or self.instance.provider)
        if provider:
            self._clean_for(provider, data)
        return data

    def _clean_for(self, provider: Provider, data: dict[str, Any]) -> None:
        url = data.get("base_url", "")
        if provider.embedded and (data.get("key") or url):
            self.add_error(
                "provider" if "provider" in self.fields else None,
                f"{provider.label} runs on this machine. Leave key and base URL empty, "
                f"or choose another provider.",
            )
        if provider.needs_url and "base_url" in data and not url:
            self.add_error(
                "base_url",
                f"Write where your server listens, as {USUAL_URLS[provider.url_env]}.",
            )
        if url.startswith("tcp://") and provider.slug != "piper":
            self.add_error(
                "base_url", f"{provider.label} is reached by HTTP. Write http:// or https://."
            )

    def save(self, commit: bool = True) -> ProviderAccount:
        if self.cleaned_data.get("forget_key"):
            self.instance.sealed_key = ""
        if key := self.cleaned_data.get("key", ""):
            self.instance.sealed_key = seal.seal(key.strip(), keys=settings.SEAL_KEYS)
        account: ProviderAccount = super().save(commit)
        return account


# --- projects -------------------------------------------------------------------------------------


class ProjectForm(TokeniserFields):
    class Meta:
        model = Project
        exclude = ("published",)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Beside each empty choice stands what it means now."""
        super().__init__(*args, **kwargs)
        for name, choices in _choices().items():
            if name in self.fields:
                self.fields[name].widget.choices = choices  # type: ignore[attr-defined]

    def clean_fallback_number(self) -> str:
        text: str = self.cleaned_data["fallback_number"].strip()
        number = as_e164(text)
        if text and not number:
            raise ValidationError("Write the number with its country code, as +12025550100.")
        return number


def _choices() -> dict[str, list[tuple[str, str]]]:
    defaults: Defaults = settings.AGENT_DEFAULTS
    vad = defaults.vad
    usual_vad = f"{vad.threshold:g}, {vad.min_speech_ms} and {vad.min_silence_ms} ms"
    return {
        "mode": [("", f"As AGENT_MODE says: {defaults.mode}"), *MODE_LABELS],
        "tier": [("", "As the environment says"), *((t.name, str(t)) for t in tiers())],
        "vad_preset": [("", f"As the VAD_… variables say: {usual_vad}"), *VAD_LABELS],
        "turn_detector": [
            ("", f"As TURN_DETECTOR_MODEL says: {defaults.turn_detector}"),
            *DETECTOR_LABELS,
        ],
        **{f"use_{name}": _switch_choices(name) for name in SWITCHES},
    }


def _switch_choices(name: str) -> list[tuple[str, str]]:
    """The values are those of Django's own three-way select."""
    on, source = usual_switch(name)
    return [("unknown", f"{'On' if on else 'Off'}: {source}"), ("true", "On"), ("false", "Off")]


class ChainFormSet(BaseInlineFormSet):  # type: ignore[type-arg]
    """One role's part of a project's chain. A new member goes to the end unless it has a place."""

    role: Role

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        rows = kwargs.pop("queryset", None)
        kwargs["queryset"] = (ChainMember.objects if rows is None else rows).filter(role=self.role)
        super().__init__(*args, **kwargs)

    @classmethod
    def get_default_prefix(cls) -> str:
        return str(cls.role)

    def clean(self) -> None:
        super().clean()
        kept = [form for form in self.forms if form not in self.deleted_forms]
        taken = {form.cleaned_data.get("position", 0) for form in kept if form.instance.pk}
        for form in kept:
            if form.instance.pk is None and form.has_changed() and form.is_valid():
                wanted = form.cleaned_data.get("position") or 0
                form.instance.position = max(taken) + 1 if wanted in taken else wanted
                form.instance.role = self.role
                taken.add(form.instance.position)


def chain_formset(role: Role) -> type[ChainFormSet]:
    return type(f"{role.name.title()}FormSet", (ChainFormSet,), {"role": role})
