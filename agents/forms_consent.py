"""A part of the projects' form: the secret shared with the tokeniser, and where it may be."""

from typing import Any

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from unfold.widgets import UnfoldAdminPasswordWidget

from agents import seal
from agents.recording_draft import tokeniser_problem


class TokeniserFields(forms.ModelForm):  # type: ignore[type-arg]
    tokeniser_secret = forms.CharField(
        label="Tokeniser's secret",
        required=False,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"}),
        help_text="Signs what is sent, as webhooks are. Kept sealed and never shown again. "
        "Empty: leave as it is.",
    )

    def clean_tokeniser_url(self) -> str:
        url: str = self.cleaned_data["tokeniser_url"].strip()
        if url and (problem := tokeniser_problem(url)):
            raise ValidationError(problem)
        return url

    def save(self, commit: bool = True) -> Any:
        if secret := self.cleaned_data.get("tokeniser_secret", "").strip():
            self.instance.sealed_tokeniser_secret = seal.seal(secret, keys=settings.SEAL_KEYS)
        elif not self.cleaned_data.get("tokeniser_url", self.instance.tokeniser_url):
            self.instance.sealed_tokeniser_secret = ""
        return super().save(commit)
