"""Admin forms: what people type becomes what LiveKit accepts, or an error which helps."""

from collections.abc import Callable
from typing import Any

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.forms import BaseInlineFormSet
from unfold.widgets import UnfoldAdminPasswordWidget, UnfoldAdminTextareaWidget

from agents import seal
from telephony import forms_media, push, shapes
from telephony.errors import NumberTaken
from telephony.models import DispatchRule, Number, Trunk


class LinesField(forms.Field):
    """A list typed one a line; every line goes through `shape`."""

    def __init__(self, *, shape: Callable[[str], str], **kwargs: Any) -> None:
        kwargs.setdefault("widget", UnfoldAdminTextareaWidget(attrs={"rows": 4}))
        kwargs.setdefault("required", False)
        super().__init__(**kwargs)
        self.shape = shape

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> list[str]:
        typed = str(value or "").replace(",", "\n").splitlines()
        lines, errors = [], []
        for line in filter(None, map(str.strip, typed)):
            try:
                lines.append(self.shape(line))
            except shapes.Misshapen as reason:
                errors.append(str(reason))
        if errors:
            raise ValidationError(errors)
        return list(dict.fromkeys(lines))

    def has_changed(self, initial: Any, data: Any) -> bool:
        return bool(self.prepare_value(initial) != self.prepare_value(data))


CAPS = ("max_calls", "max_calls_per_s", "daily_spend_cap")


class TrunkForm(forms_media.MediaForm):
    allowed_addresses = LinesField(
        shape=shapes.network,
        help_text="Inbound: the provider's IP addresses or networks, one a line.",
    )
    caller_ids = LinesField(
        shape=shapes.e164,
        help_text="Outbound: the numbers shown to whom we call, one a line; the first is usual.",
    )
    password = forms.CharField(
        required=False,
        strip=False,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"}),
        help_text="Kept sealed and never shown again. Empty: leave as it is.",
    )

    class Meta:
        model = Trunk
        fields = (
            "name", "direction", "enabled", "allowed_addresses", "auth_username", "address",
            "transport", "caller_ids", "max_calls", "max_calls_per_s", "daily_spend_cap",
            "via_edge", "registers", "registrar", *forms_media.FIELDS,
        )  # fmt: skip

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in CAPS:  # an inbound trunk has no use for them
            self.fields[name].required = False

    def clean_address(self) -> str:
        try:
            return shapes.sip_host(self.cleaned_data["address"])
        except shapes.Misshapen as reason:
            raise ValidationError(str(reason)) from reason

    def clean_registrar(self) -> str:
        try:
            return shapes.edge_host(self.cleaned_data["registrar"])
        except shapes.Misshapen as reason:
            raise ValidationError(str(reason)) from reason

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        for name in CAPS:
            if data.get(name) is None and name not in self.errors:
                data[name] = getattr(Trunk(), name)
        self._clean_edge(data)
        password = bool(data.get("password") or self.instance.sealed_auth_password)
        user = data.get("auth_username", "")
        if bool(user) != password and (user or data.get("password")):
            self.add_error(
                "password",
                "User name and password come together. Give both, or empty the user name.",
            )
        if data.get("direction") == Trunk.Direction.INBOUND:
            self._clean_inbound(data, known=bool(user and password))
        elif data.get("direction") == Trunk.Direction.OUTBOUND:
            self._clean_outbound(data)
        if data.get("registers"):
            self._clean_user(user)
        return data

    def _clean_user(self, user: str) -> None:
        try:
            shapes.sip_user(user)
        except shapes.Misshapen as reason:
            self.add_error("auth_username", str(reason))

    def _clean_edge(self, data: dict[str, Any]) -> None:
        if data.get("via_edge") and not settings.SIP_EDGE_ADDRESS:
            self.add_error("via_edge", "There is no SIP edge here. deploy/README.md says how.")
        if not data.get("registers"):
            return
        if data.get("direction") != Trunk.Direction.INBOUND:
            self.add_error("registers", "Only an inbound trunk registers: it is for calls to us.")
        if not data.get("via_edge"):
            self.add_error("registers", "LiveKit does not register. Let the trunk use the edge.")
        if not data.get("registrar") and "registrar" not in self.errors:
            self.add_error("registrar", "Write where to register, as sip.carrier.example.")

    def _clean_inbound(self, data: dict[str, Any], *, known: bool) -> None:
        if "allowed_addresses" not in data or data["allowed_addresses"]:
            return
        if data.get("via_edge") and not data.get("registers"):
            self.add_error(
                "allowed_addresses", "The edge lets in nobody. Write the provider's addresses."
            )
        elif not known:
            self.add_error(
                "allowed_addresses",
                "Anybody could call in. Write the provider's addresses, or user name and password.",
            )

    def _clean_outbound(self, data: dict[str, Any]) -> None:
        if "address" in data and not data["address"]:
            self.add_error("address", "An outbound trunk needs the provider's host.")
        elif data.get("via_edge") and data.get("address"):
            try:
                shapes.edge_host(data["address"])
            except shapes.Misshapen as reason:
                self.add_error("address", str(reason))
        if "caller_ids" in data and not data["caller_ids"]:
            self.add_error("caller_ids", "An outbound trunk needs at least one number to show.")

    def save(self, commit: bool = True) -> Trunk:
        if password := self.cleaned_data.get("password"):
            self.instance.sealed_auth_password = seal.seal(password, keys=settings.SEAL_KEYS)
        elif not self.cleaned_data.get("auth_username"):
            self.instance.sealed_auth_password = ""
        trunk: Trunk = super().save(commit)
        return trunk


class NumberForm(forms.ModelForm):  # type: ignore[type-arg]
    e164 = forms.CharField(label="Number", help_text="With its country code, as +12025550100.")

    class Meta:
        model = Number
        fields = ("e164", "trunk", "label")

    def clean_e164(self) -> str:
        try:
            number = shapes.e164(self.cleaned_data["e164"])
        except shapes.Misshapen as reason:
            raise ValidationError(str(reason)) from reason
        others = Number.objects.filter(e164=number).exclude(pk=self.instance.pk)
        if other := others.select_related("trunk").first():
            raise ValidationError(str(NumberTaken(number, other.trunk.name)), code="taken")
        if owner := push.foreign_owner(number):
            taken = NumberTaken(number, f"{owner} on LiveKit, not ours")
            raise ValidationError(str(taken), code="taken")
        return number

    def clean_trunk(self) -> Trunk:
        trunk: Trunk = self.cleaned_data["trunk"]
        if trunk.direction != Trunk.Direction.INBOUND:
            raise ValidationError(f"“{trunk}” is an outbound trunk. Choose an inbound one.")
        return trunk


class NumberFormSet(BaseInlineFormSet):  # type: ignore[type-arg]
    def clean(self) -> None:
        super().clean()
        if any(self.errors):
            return
        kept = [f for f in self.forms if f.has_changed() or f.instance.pk]
        kept = [f for f in kept if not f.cleaned_data.get("DELETE")]
        if self.instance.direction == Trunk.Direction.INBOUND and not kept:
            raise ValidationError(
                "An inbound trunk without numbers would take any call. Add at least one number."
            )
        if self.instance.direction == Trunk.Direction.OUTBOUND and kept:
            raise ValidationError(
                "Nobody dials an outbound trunk. Put its numbers under “caller ids” instead."
            )


class DispatchRuleForm(forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        model = DispatchRule
        fields = ("name", "project", "trunks", "enabled")

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        if not data.get("enabled"):
            return data
        rivals = DispatchRule.objects.filter(enabled=True, trunks__in=data.get("trunks") or [])
        for rival in rivals.exclude(pk=self.instance.pk).distinct().order_by("name"):
            both = rival.trunks.filter(pk__in=[trunk.pk for trunk in data["trunks"]])
            names = ", ".join(f"“{trunk}”" for trunk in both)
            words = f"Rule “{rival}” already answers {names}. Take the trunk out, or switch it off."
            self.add_error("trunks", ValidationError(words, code="taken"))
        return data
