"""What carriers want differently, as part of the trunk's form."""

import re
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget, UnfoldAdminTextareaWidget

CODECS = ("PCMU", "PCMA", "G722")
MOST_HEADERS = 20
FIELDS = (
    "media_encryption", "codecs", "include_headers", "header_attributes", "from_host",
    "destination_country",
)  # fmt: skip
_HEADER = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,62}")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,62}")
# LiveKit refuses these, or the call depends on them
_OF_THE_CALL = {
    "via", "from", "to", "call-id", "contact", "cseq", "max-forwards", "content-length",
    "content-type", "route", "record-route", "authorization", "proxy-authorization",
}  # fmt: skip


class PairsField(forms.Field):
    """`header = name`, one a line."""

    widget = UnfoldAdminTextareaWidget(attrs={"rows": 3})

    def prepare_value(self, value: Any) -> Any:
        if isinstance(value, dict):
            return "\n".join(f"{header} = {name}" for header, name in value.items())
        return value

    def to_python(self, value: Any) -> dict[str, str]:
        pairs = {}
        for line in filter(None, map(str.strip, str(value or "").splitlines())):
            header, equals, name = (part.strip() for part in line.partition("="))
            if not equals:
                raise ValidationError(f"“{line[:80]}” has no =. Write it as X-Account = account.")
            pairs[header] = name
        return pairs

    def has_changed(self, initial: Any, data: Any) -> bool:
        return bool(self.prepare_value(initial) != self.prepare_value(data))


class MediaForm(forms.ModelForm):  # type: ignore[type-arg]
    """The base of TrunkForm."""

    codecs = forms.MultipleChoiceField(
        choices=[(name, name) for name in CODECS],
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text="None chosen: whatever the carrier offers.",
    )

    header_attributes = PairsField(
        required=False,
        label="Headers kept by name",
        help_text="SIP headers kept with a call under a name of yours, one a line, as "
        "“X-Account = account”.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("media_encryption", "include_headers"):  # left out, they are as they were
            self.fields[name].required = False

    def clean_media_encryption(self) -> str:
        return str(self.cleaned_data["media_encryption"] or self.instance.media_encryption)

    def clean_include_headers(self) -> str:
        return str(self.cleaned_data["include_headers"] or self.instance.include_headers)

    def clean_header_attributes(self) -> dict[str, str]:
        given: dict[str, str] = self.cleaned_data["header_attributes"]
        if len(given) > MOST_HEADERS:
            raise ValidationError(f"Write at most {MOST_HEADERS} headers.")
        for header, name in given.items():
            _check_pair(header, name)
        return given

    def clean_destination_country(self) -> str:
        country = str(self.cleaned_data["destination_country"]).strip().upper()
        if country and not re.fullmatch("[A-Z]{2}", country):
            raise ValidationError(f"“{country}” is no country. Write its two letters, as DE.")
        return country

    def clean_from_host(self) -> str:
        host = str(self.cleaned_data["from_host"]).strip()
        if host and not re.fullmatch(r"[A-Za-z0-9.-]+", host):
            raise ValidationError(f"“{host}” is no host. Write it alone, as sip.example.com.")
        return host


def _check_pair(header: str, name: str) -> None:
    if not _HEADER.fullmatch(header):
        raise ValidationError(f"“{header}” is no name of a SIP header. Write it as X-Account.")
    if header.lower() in _OF_THE_CALL:
        raise ValidationError(f"“{header}” belongs to the call itself. Leave it out.")
    if not _NAME.fullmatch(name):
        raise ValidationError(f"“{name}” is no name: letters, digits, _ . - only, as account.")
