"""The form of a destination: what is typed is what can be dialled, or an error which helps."""

from collections.abc import Callable
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from telephony import shapes
from telephony.directory import DIALS
from telephony.models import Destination, Trunk


class DestinationForm(forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        model = Destination
        fields = (
            "name", "key", "description", "number", "post_dial", "schedule", "ring_s", "method",
            "trunk", "caller_id", "for_people", "announcement", "sorry", "closed", "enabled",
            "projects",
        )  # fmt: skip

    def clean_number(self) -> str:
        return _shaped(shapes.destination, self.cleaned_data["number"])

    def clean_post_dial(self) -> str:
        return _shaped(shapes.post_dial, self.cleaned_data["post_dial"])

    def clean_caller_id(self) -> str:
        text = self.cleaned_data["caller_id"].strip()
        return _shaped(shapes.e164, text) if text else ""

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        method, trunk = data.get("method"), data.get("trunk")
        if method in DIALS and trunk is None and "trunk" in data:
            self.add_error(
                "trunk", "We cannot dial without a line. Choose an outbound trunk, or only REFER."
            )
        if data.get("post_dial") and method != Destination.Method.DIAL:
            self.add_error(
                "post_dial",
                "Digits can be sent only to whom we dial ourselves. Choose “We dial”, or empty "
                "this field.",
            )
        self._check_caller_id(trunk, data.get("caller_id", ""))
        return data

    def _check_caller_id(self, trunk: Trunk | None, shown: str) -> None:
        if shown and trunk and shown not in trunk.caller_ids:
            self.add_error(
                "caller_id",
                f"Trunk “{trunk}” may not show {shown}. Add it to the trunk's caller ids first, "
                f"or leave this empty.",
            )


def _shaped(shape: Callable[[str], str], text: str) -> str:
    try:
        return shape(text)
    except shapes.Misshapen as reason:
        raise ValidationError(str(reason)) from reason
