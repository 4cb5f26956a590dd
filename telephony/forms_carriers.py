"""The form of a carrier's hook: the secret is written, never read; fields one a line."""

import re
from typing import Any

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from unfold.widgets import UnfoldAdminPasswordWidget, UnfoldAdminTextareaWidget

from agents import seal
from telephony.carriers import telnyx
from telephony.carriers.generic import FIELDS
from telephony.models import CarrierHook

_PATH = re.compile(r"[A-Za-z0-9_.\-]{1,120}")


class MappingField(forms.Field):
    """`ours = theirs`, one a line."""

    widget = UnfoldAdminTextareaWidget(attrs={"rows": 6})

    def prepare_value(self, value: Any) -> Any:
        if isinstance(value, dict):
            return "\n".join(f"{ours} = {theirs}" for ours, theirs in value.items())
        return value

    def to_python(self, value: Any) -> dict[str, str]:
        mapping, errors = {}, []
        for line in filter(None, map(str.strip, str(value or "").splitlines())):
            ours, _, theirs = (part.strip() for part in line.partition("="))
            if ours not in FIELDS:
                errors.append(f"“{ours}” is no field of ours. Write one of: {', '.join(FIELDS)}.")
            elif not _PATH.fullmatch(theirs):
                errors.append(f"“{line[:80]}” names no field of theirs. Write it as call.uuid.")
            else:
                mapping[ours] = theirs
        if errors:
            raise ValidationError(errors)
        return mapping

    def has_changed(self, initial: Any, data: Any) -> bool:
        return bool(self.prepare_value(initial) != self.prepare_value(data))


class CarrierHookForm(forms.ModelForm):  # type: ignore[type-arg]
    secret = forms.CharField(
        required=False,
        strip=True,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"}),
        help_text="Twilio, Plivo: the auth token. Telnyx: the public key. Others: what both sides "
        "agreed on. Kept sealed and never shown again. Empty: leave as it is.",
    )
    mapping = MappingField(
        required=False,
        label="Fields",
        help_text="Only for carriers not named above. Ours = theirs, one a line, as "
        "“carrier_id = call.uuid”. Ours are: " + ", ".join(FIELDS) + ".",
    )

    class Meta:
        model = CarrierHook
        fields = ("name", "kind", "trunks", "enabled", "all_numbers", "mapping")

    def clean_mapping(self) -> dict[str, str]:
        return self.cleaned_data["mapping"] or {}

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        secret, kind = data.get("secret", ""), data.get("kind", "")
        if not secret and not self.instance.sealed_secret:
            self.add_error("secret", "Without it nobody can tell the carrier's hooks from others.")
        elif secret and kind == "telnyx" and not telnyx.is_key(secret):
            self.add_error(
                "secret",
                "This is no public key: it is base64 of 32 bytes. Copy it from Mission Control → "
                "Keys & Credentials → Public Key.",
            )
        elif secret and kind == "generic" and len(secret) < 16:
            self.add_error("secret", "It is too short to be safe. Make it 16 letters or more.")
        return data

    def save(self, commit: bool = True) -> CarrierHook:
        if secret := self.cleaned_data.get("secret"):
            self.instance.sealed_secret = seal.seal(secret, keys=settings.SEAL_KEYS)
        hook: CarrierHook = super().save(commit)
        return hook
