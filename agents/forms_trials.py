"""What a supervisor may say to a provider to try it: the fields fit its role."""

from collections.abc import Mapping
from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from agents import pricebook
from agents.chains import VOICE_IS_MODEL, member_of
from agents.models import LANGUAGE, ProviderAccount
from agents.models_trials import MOST_TEXT
from agents.providers import PROVIDERS, Provider, Role
from agents.trials import Wish

TEXTS: Mapping[Role, tuple[str, str, str]] = {  # label, to begin with, what happens
    Role.STT: (
        "Sentence it hears", "When are you open?",
        "A worker speaks it, in English, and shows what was understood.",
    ),
    Role.LLM: (
        "Question", "Answer with the one word “ready”.",
        "A worker asks it and shows the answer.",
    ),
    Role.TTS: (
        "Text it speaks", "Hello, this is how I sound on the telephone.",
        "A worker has it spoken, and you hear it as callers would.",
    ),
}  # fmt: skip


class TrialForm(forms.Form):
    text = forms.CharField(max_length=MOST_TEXT, widget=UnfoldAdminTextareaWidget({"rows": 2}))
    voice = forms.CharField(required=False, max_length=80, widget=UnfoldAdminTextInputWidget())
    model = forms.CharField(required=False, max_length=120, widget=UnfoldAdminTextInputWidget())
    language = forms.CharField(
        initial="en", max_length=16, validators=[LANGUAGE], widget=UnfoldAdminTextInputWidget()
    )

    def __init__(self, account: ProviderAccount, provider: Provider, data: Any = None) -> None:
        super().__init__(data, prefix="try")
        self.account, self.provider = account, provider
        label, text, help_text = TEXTS[provider.role]
        self.fields["text"].label, self.fields["text"].help_text = label, help_text
        self.fields["text"].initial = text
        for name in {"voice", "model", "language"} - _fitting(provider):
            del self.fields[name]
        self._suggest()

    def _suggest(self) -> None:
        usual = member_of(self.account)
        for name in ("voice", "model"):
            if name in self.fields:
                hints = {"placeholder": getattr(usual, name), "list": f"try-{name}s"}
                self.fields[name].widget.attrs |= hints | {"autocomplete": "off"}

    def begin_with(self, values: Mapping[str, str]) -> None:
        """From the address of the page: a project's voice, as it is linked from there."""
        for name, field in self.fields.items():
            if value := values.get(name, "").strip():
                field.initial = value[: field.max_length]  # type: ignore[attr-defined]

    def voices(self) -> list[tuple[str, str]]:
        known = pricebook.known_voices(self.provider.slug) if "voice" in self.fields else {}
        return [(voice, ", ".join(tags)) for voice, tags in known.items()]

    def models(self) -> list[str]:
        return pricebook.models(self.provider.slug) if "model" in self.fields else []

    def wish(self) -> Wish:
        return Wish(**self.cleaned_data)

    def complaint(self) -> str:
        """All errors in one line."""
        told = [
            f"{self.fields[name].label or name.title()}: {' '.join(map(str, errors))}"
            for name, errors in self.errors.items()
        ]
        return " ".join(told)


def _fitting(provider: Provider) -> set[str]:
    """A recogniser hears English, a model understands any language."""
    has_models = not provider.embedded and provider.slug not in VOICE_IS_MODEL
    of_voices = {"voice", "language"} if provider.role is Role.TTS else set()
    return of_voices | ({"model"} if has_models else set())


def form_of(account: ProviderAccount, data: Any = None) -> TrialForm | None:
    provider = PROVIDERS.get(account.provider)
    return TrialForm(account, provider, data) if provider else None
