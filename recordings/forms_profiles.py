"""The forms of stores and recording profiles: secrets are written, never read; what egress does
not do is refused here, with the reason."""

import re
from typing import Any
from urllib.parse import urlsplit

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from unfold.widgets import (
    UnfoldAdminPasswordWidget,
    UnfoldAdminSelectMultipleWidget,
    UnfoldAdminTextareaWidget,
)

from agents import seal
from agents.models import Project
from recordings.choices import Choice, Format, Kind, refusals
from recordings.models import ProfileUse, RecordingProfile, Store

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_PLACE = ("endpoint", "region", "bucket", "path_style")  # where objects lie


class StoreForm(forms.ModelForm):  # type: ignore[type-arg]
    secret = forms.CharField(
        required=False,
        label="Secret key",
        strip=True,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"}),
        help_text="Kept sealed and never shown again. Empty: leave as it is.",
    )

    class Meta:
        model = Store
        fields = (
            "name", "endpoint", "public_endpoint", "region", "bucket", "path_style", "access_key",
            "role_arn", "encryption", "kms_key", "layout",
        )  # fmt: skip

    def clean_endpoint(self) -> str:
        return _http(self.cleaned_data["endpoint"])

    def clean_public_endpoint(self) -> str:
        return _http(self.cleaned_data["public_endpoint"])

    def clean_bucket(self) -> str:
        bucket: str = self.cleaned_data["bucket"]
        if not _BUCKET.fullmatch(bucket):
            raise ValidationError(
                "A bucket's name has 3 to 63 small letters, digits, dots and hyphens."
            )
        return bucket

    def clean_role_arn(self) -> str:
        arn: str = self.cleaned_data["role_arn"]
        if arn and not re.fullmatch(r"arn:[\w:+=,.@/*-]+", arn):
            raise ValidationError("Write the whole ARN, as arn:aws:iam::123456789012:role/egress.")
        return arn

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        if not data.get("secret") and not self.instance.sealed_secret:
            self.add_error("secret", "Without it nothing can be written to the store.")
        if data.get("kms_key") and data.get("encryption") != Store.Encryption.KMS:
            self.add_error("kms_key", "Only for a key of a key service. Choose that, or empty it.")
        moved = [name for name in _PLACE if name in self.changed_data]
        if moved and self.instance.pk and self.instance.recordings.exists():
            self.add_error(
                moved[0],
                "Recordings are in it and would be looked for elsewhere. Add another store, and "
                "choose it in the profiles: what is recorded from then on goes there.",
            )
        return data

    def save(self, commit: bool = True) -> Store:
        if secret := self.cleaned_data.get("secret"):
            self.instance.sealed_secret = seal.seal(secret, keys=settings.SEAL_KEYS)
        store: Store = super().save(commit)
        return store


class RecordingProfileForm(forms.ModelForm):  # type: ignore[type-arg]
    projects = forms.ModelMultipleChoiceField(
        queryset=Project.objects.order_by("name"),
        required=False,
        widget=UnfoldAdminSelectMultipleWidget,
        help_text="Whose calls are recorded so. Without a profile: OGG, two channels.",
    )
    rtmp = forms.CharField(
        required=False,
        label="RTMP addresses",
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2, "autocomplete": "off"}),
        help_text="Live while the call is on, one a line: rtmp://host/app/key. Kept sealed and "
        "never shown again. Empty: leave as they are.",
    )
    websocket = forms.CharField(
        required=False,
        label="WebSocket address",
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "off"}),
        help_text="The caller's sound live, wss://host/path. Kept sealed and never shown again. "
        "Empty: leave as it is.",
    )
    forget_live = forms.BooleanField(
        required=False, label="Forget live addresses", help_text="Delete those we hold."
    )

    class Meta:
        model = RecordingProfile
        fields = ("name", "kind", "video", "channels", "format", "store")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            used = self.instance.uses.values_list("project", flat=True)
            self.initial["projects"] = list(used)

    def clean_rtmp(self) -> list[str]:
        lines: list[str] = self.cleaned_data["rtmp"].split()
        for line in lines:
            if not _is_address(line, {"rtmp", "rtmps"}):
                # never repeat it: it ends in a key
                raise ValidationError("Write each as rtmp://host/app/key or rtmps://…, one a line.")
        return lines

    def clean_websocket(self) -> str:
        address: str = self.cleaned_data["websocket"].strip()
        if address and not _is_address(address, {"ws", "wss"}):
            raise ValidationError("Write it as wss://host/path.")
        return address

    def clean_projects(self) -> Any:
        chosen = self.cleaned_data["projects"]
        taken = ProfileUse.objects.filter(project__in=chosen).exclude(profile=self.instance.pk)
        words = [
            f"{use.project} is recorded by “{use.profile}” already. Take it out there first."
            for use in taken.select_related("project", "profile")
        ]
        if words:
            raise ValidationError(words)
        return chosen

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        if {"kind", "format", "channels"} <= data.keys():
            for refusal in refusals(self._choice(data), features=settings.EGRESS_FEATURES):
                self.add_error(refusal.field, refusal.reason)
        return data

    def _choice(self, data: dict[str, Any]) -> Choice:
        keeps = not data.get("forget_live")
        held = self.instance
        return Choice(
            kind=Kind(data["kind"]),
            video=data.get("video", False),
            two_channels=data["channels"] == RecordingProfile.Channels.TWO,
            format=Format(data["format"]),
            rtmp=bool(data.get("rtmp") or (keeps and held.sealed_rtmp)),
            websocket=bool(data.get("websocket") or (keeps and held.sealed_websocket)),
        )

    def save(self, commit: bool = True) -> RecordingProfile:
        data, row = self.cleaned_data, self.instance
        hosts = [] if data.get("forget_live") else row.live_hosts.split()
        if data.get("forget_live"):
            row.sealed_rtmp = row.sealed_websocket = ""
        if data.get("rtmp"):
            row.sealed_rtmp = seal.seal("\n".join(data["rtmp"]), keys=settings.SEAL_KEYS)
            hosts = [host for host in hosts if not host.startswith("rtmp")]
            hosts += [_host(address) for address in data["rtmp"]]
        if data.get("websocket"):
            row.sealed_websocket = seal.seal(data["websocket"], keys=settings.SEAL_KEYS)
            hosts = [host for host in hosts if not host.startswith("ws")]
            hosts.append(_host(data["websocket"]))
        row.live_hosts = " ".join(hosts)[:400]
        profile: RecordingProfile = super().save(commit)
        return profile

    def _save_m2m(self) -> None:
        super()._save_m2m()  # type: ignore[misc]
        chosen = self.cleaned_data["projects"]
        self.instance.uses.exclude(project__in=chosen).delete()
        for project in chosen:
            ProfileUse.objects.get_or_create(project=project, defaults={"profile": self.instance})


def _http(address: str) -> str:
    if address and not _is_address(address, {"http", "https"}, bare=True):
        raise ValidationError(
            "Write the whole address without name, password and path, as https://s3.example.org."
        )
    return address.rstrip("/")


def _is_address(address: str, schemes: set[str], *, bare: bool = False) -> bool:
    try:
        parts = urlsplit(address)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    if bare and (parts.path not in ("", "/") or parts.query or parts.fragment or parts.username):
        return False
    return parts.scheme in schemes and bool(host) and address.isprintable() and " " not in address


def _host(address: str) -> str:
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.hostname}"
