"""Forms for API keys and webhooks."""

from ipaddress import ip_network

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from telephony import hook_address, outgoing, shapes, subscribing
from telephony.forms import LinesField
from telephony.models import ApiKey, Subscription
from telephony.scopes import SCOPES


def _network(text: str) -> str:
    try:
        return str(ip_network(text))
    except ValueError as reason:
        raise shapes.Misshapen(
            f"“{text}” is no address or network ({reason}). Write one as 203.0.113.0/28."
        ) from reason


class ApiKeyForm(forms.ModelForm):  # type: ignore[type-arg]
    scopes = forms.MultipleChoiceField(
        label="May",
        choices=[(scope, f"{words} ({scope})") for scope, words in SCOPES.items()],
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text="Only what the program needs: whoever has the key can do all of it.",
    )
    allowed_networks = LinesField(
        label="Allowed from",
        shape=_network,
        help_text="IP addresses or networks, one a line. Empty: from anywhere.",
    )

    class Meta:
        model = ApiKey
        fields = ("name", "scopes", "expires_at", "allowed_networks", "requests_per_minute")

    def clean_requests_per_minute(self) -> int | None:
        limit: int | None = self.cleaned_data["requests_per_minute"]
        if limit == 0:
            raise ValidationError("0 would shut the key out. Revoke it instead, or leave it empty.")
        return limit


class SubscriptionForm(forms.ModelForm):  # type: ignore[type-arg]
    events = forms.MultipleChoiceField(
        label="Tells of",
        choices=lambda: [(kind, f"{words} ({kind})") for kind, words in outgoing.kinds().items()],
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
    )

    class Meta:
        model = Subscription
        fields = ("name", "url", "events", "enabled")

    def clean_url(self) -> str:
        try:
            return hook_address.check_url(
                self.cleaned_data["url"], private=settings.WEBHOOK_PRIVATE_NETWORKS
            )
        except hook_address.Forbidden as reason:
            raise ValidationError(str(reason)) from reason

    def save(self, commit: bool = True) -> Subscription:
        if {"url", "enabled"} & set(self.changed_data) and self.cleaned_data["enabled"]:
            subscribing.begin_well(self.instance)
        hook: Subscription = super().save(commit)
        return hook
