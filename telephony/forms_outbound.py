"""Forms of calls we make. What may not be is said before anything is stored."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone
from unfold.widgets import (
    UnfoldAdminFileFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanWidget,
)

from agents.models import Project
from telephony import dialling, hours, numberlist, outbound_checks, shapes
from telephony.errors import CallNotAllowed
from telephony.hours import Hours
from telephony.models import Batch, DestinationRule, DoNotCall, OutboundProfile, Trunk


def outbound_trunks() -> Any:
    return Trunk.objects.filter(direction=Trunk.Direction.OUTBOUND, enabled=True)


def _numbers_of(trunk: Trunk) -> tuple[str, list[tuple[str, str]]]:
    """A group of choices."""
    return trunk.name, [(str(n), shapes.readable(str(n))) for n in trunk.caller_ids]


class CallForm(forms.Form):
    """One call. Its error says why it may not be made."""

    project = forms.ModelChoiceField(
        Project.objects.filter(published__isnull=False), widget=UnfoldAdminSelectWidget,
        help_text="Whose bot talks; published ones only.",
    )  # fmt: skip
    to = forms.CharField(
        label="Number", max_length=40, widget=UnfoldAdminTextInputWidget,
        help_text="With its country code, as +12025550100.",
    )  # fmt: skip
    trunk = forms.ModelChoiceField(Trunk.objects.none(), widget=UnfoldAdminSelectWidget)
    caller_id = forms.ChoiceField(
        label="Number shown", required=False, widget=UnfoldAdminSelectWidget,
        help_text="One of the chosen trunk's.",
    )  # fmt: skip
    consent = forms.BooleanField(
        label="The person agreed to be called", required=False, widget=UnfoldBooleanWidget
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        trunks: Any = self.fields["trunk"]
        trunks.queryset = outbound_trunks()
        shown: Any = self.fields["caller_id"]
        shown.choices = [("", "The trunk's first"), *map(_numbers_of, outbound_trunks())]

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if self.errors:
            return data
        try:
            self.checked = outbound_checks.check(now=timezone.now(), **self.wish())
        except CallNotAllowed as reason:
            raise ValidationError(str(reason)) from reason
        return data

    def wish(self) -> dict[str, Any]:
        data = self.cleaned_data
        return {
            "to": data["to"],
            "project_id": data["project"].pk,
            "trunk_id": data["trunk"].pk,
            "caller_id": data["caller_id"],
            "consent": data["consent"],
        }


class BatchForm(forms.ModelForm):  # type: ignore[type-arg]
    file = forms.FileField(
        label="List of numbers",
        widget=UnfoldAdminFileFieldWidget,
        help_text=f"CSV in UTF-8, at most {numberlist.MOST_LINES} lines. The first names the "
        "columns: “number”, perhaps “consent” (yes), and others, which stand as {name} in the "
        "project's texts. Nobody is called before you start the batch.",
    )

    class Meta:
        model = Batch
        fields = ("name", "project", "trunk", "caller_id", "per_minute", "window")
        labels = {"window": "Our hours"}
        help_texts = {"caller_id": "One of the trunk's caller ids. Empty: its first."}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            del self.fields["file"]
        if "trunk" in self.fields:
            trunks: Any = self.fields["trunk"]
            trunks.queryset = outbound_trunks()

    def clean_file(self) -> bytes:
        """The file's bytes, if its shape is right."""
        file = self.cleaned_data["file"]
        if file.size > numberlist.MOST_BYTES:
            raise ValidationError(f"The file is larger than {numberlist.MOST_BYTES // 1024} KiB.")
        data: bytes = file.read()
        try:
            numberlist.read(data)
        except shapes.Misshapen as reason:
            raise ValidationError(str(reason)) from reason
        return data

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        if trunk := data.get("trunk"):
            try:
                outbound_checks.caller_id_of(
                    outbound_checks.trunk_of(trunk.pk), data.get("caller_id") or ""
                )
            except CallNotAllowed as reason:
                self.add_error("caller_id", str(reason))
        return data


class DestinationRuleForm(forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        model = DestinationRule
        fields = "__all__"

    def clean_prefix(self) -> str:
        text = "".join(self.cleaned_data["prefix"].split())
        if not dialling.is_prefix(text):
            raise ValidationError(f"“{text}” is no prefix. Write + and digits, as +49 or +1202.")
        return text


class DoNotCallForm(forms.ModelForm):  # type: ignore[type-arg]
    number = forms.CharField(
        widget=UnfoldAdminTextInputWidget, help_text="With its country code, as +12025550100."
    )

    class Meta:
        model = DoNotCall
        fields = ("number", "reason")

    def clean_number(self) -> str:
        try:
            return shapes.e164(self.cleaned_data["number"])
        except shapes.Misshapen as reason:
            raise ValidationError(str(reason)) from reason


class OutboundProfileForm(forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        model = OutboundProfile
        fields = "__all__"

    def clean_hours(self) -> str:
        text: str = self.cleaned_data["hours"]
        try:
            hours.check(Hours(expression=text, timezone="UTC"))
        except shapes.Misshapen as reason:
            raise ValidationError(str(reason)) from reason
        return text

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        if data.get("on_voicemail") == "message" and not data.get("message"):
            self.add_error("message", "A message is to be left, and there is none. Write it.")
        return data
