"""The steps of “Connect a number”, as forms."""

from typing import Any

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from unfold.widgets import (
    UnfoldAdminPasswordWidget,
    UnfoldAdminRadioSelectWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from agents import seal
from agents.models import Project
from telephony import shapes
from telephony.carriers_known import CARRIERS, Carrier
from telephony.forms import LinesField, NumberForm
from telephony.models import Number, Trunk


class CarrierStep(forms.Form):
    carrier = forms.ChoiceField(
        label="Who sends the calls?",
        choices=[(c.key, f"{c.label}: {c.about}") for c in CARRIERS.values()],
        widget=UnfoldAdminRadioSelectWidget,
    )


class NumberStep(NumberForm):
    e164 = forms.CharField(
        label="Number",
        help_text="With its country code, as +12025550100.",
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off", "inputmode": "tel"}),
    )
    label = forms.CharField(
        label="Name", required=False, max_length=80, widget=UnfoldAdminTextInputWidget(),
        help_text="For yourself, as “Sales, Berlin”.",
    )  # fmt: skip
    addresses = LinesField(
        label="Addresses the calls come from",
        shape=shapes.network,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 8}),
    )
    username = forms.CharField(
        label="User name", required=False, max_length=120,
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"}),
    )  # fmt: skip
    password = forms.CharField(
        required=False, strip=False, max_length=200,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"}),
        help_text="Kept sealed and never shown again.",
    )  # fmt: skip
    encryption = forms.ChoiceField(
        label="Encryption of the audio", choices=Trunk.Encryption.choices,
        widget=UnfoldAdminSelectWidget,
    )  # fmt: skip

    class Meta:
        model = Number
        fields = ("e164", "label")

    def __init__(self, carrier: Carrier, *, has_password: bool, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.carrier, self._has_password = carrier, has_password
        self.fields["addresses"].help_text = _about_addresses(carrier)
        if not carrier.by_password:
            del self.fields["username"], self.fields["password"]
        elif has_password:
            self.fields["password"].help_text = "Given. Empty: leave it as it is."

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        user = data.get("username", "")
        password = bool(data.get("password") or (self._has_password and user))
        if bool(user) != password:
            self.add_error("password", "User name and password come together. Give both, or none.")
        elif "addresses" in data and not data["addresses"] and not user:
            self.add_error(
                "addresses",
                "Anybody could call in. Write the addresses"
                + (", or user name and password." if self.carrier.by_password else "."),
            )
        return data

    def sealed(self, before: str) -> str:
        """The password, sealed; the one given earlier when it was left empty."""
        if not self.cleaned_data.get("username"):
            return ""
        typed = self.cleaned_data.get("password")
        return seal.seal(typed, keys=settings.SEAL_KEYS) if typed else before


def _about_addresses(carrier: Carrier) -> str:
    begin = "IP addresses or networks, one a line."
    if not carrier.source:
        return f"{begin} Calls from any other are refused."
    if not carrier.networks:
        return f"{begin} {carrier.source} ({carrier.checked}): ask the carrier."
    told = f"{begin} From: {carrier.source}, {carrier.checked}. Compare; they change."
    if unsure := carrier.to_check():
        told += f" Check these against {carrier.label}'s page before use: {', '.join(unsure)}."
    return told


class ProjectStep(forms.Form):
    project = forms.ModelChoiceField(
        label="Which project answers?", queryset=Project.objects.none(), empty_label=None,
        widget=UnfoldAdminSelectWidget,
    )  # fmt: skip

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["project"]
        assert isinstance(field, forms.ModelChoiceField)
        field.queryset = Project.objects.order_by("name")
        field.label_from_instance = _named  # type: ignore[method-assign,assignment]

    def clean_project(self) -> Project:
        project: Project = self.cleaned_data["project"]
        if not project.published_id:
            raise ValidationError(
                f"“{project.name}” is not published, so nobody would answer. Publish it first."
            )
        return project


def _named(project: Any) -> str:
    return f"{project.name}{'' if project.published_id else ' (not published)'}"
