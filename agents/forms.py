"""Admin forms drawn from the catalogue of providers."""

from typing import Any

from django import forms
from django.conf import settings
from unfold.widgets import UnfoldAdminPasswordWidget, UnfoldAdminSelectWidget

from agents import seal
from agents.models import Project, ProviderAccount
from agents.providers import PROVIDERS, Role, for_role

_ROLES = ((Role.STT, "Speech to text"), (Role.LLM, "Answers"), (Role.TTS, "Text to speech"))


class AccountChoice(forms.ModelChoiceField):  # type: ignore[type-arg]
    """Accounts which can play a role."""

    def __init__(self, role: Role, **kwargs: Any) -> None:
        slugs = [slug for slug, _ in for_role(role)]
        accounts = ProviderAccount.objects.filter(provider__in=slugs).order_by("name")
        super().__init__(accounts, widget=UnfoldAdminSelectWidget, **kwargs)


class ProviderAccountForm(forms.ModelForm):  # type: ignore[type-arg]
    provider = forms.ChoiceField(
        choices=[("", "—"), *((label, for_role(role)) for role, label in _ROLES)],
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

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        provider = PROVIDERS.get(data.get("provider", ""))
        if provider and provider.embedded and (data.get("key") or data.get("base_url")):
            self.add_error(
                "provider",
                f"{provider.label} runs on this machine. Leave key and base URL empty, "
                f"or choose another provider.",
            )
        return data

    def save(self, commit: bool = True) -> ProviderAccount:
        if self.cleaned_data["forget_key"]:
            self.instance.sealed_key = ""
        if key := self.cleaned_data["key"]:
            self.instance.sealed_key = seal.seal(key.strip(), keys=settings.SEAL_KEYS)
        account: ProviderAccount = super().save(commit)
        return account


class ProjectForm(forms.ModelForm):  # type: ignore[type-arg]
    stt_account = AccountChoice(Role.STT, label="Speech to text")
    llm_account = AccountChoice(Role.LLM, label="Answers")
    tts_account = AccountChoice(Role.TTS, label="Text to speech")

    class Meta:
        model = Project
        exclude = ("published",)
