"""API keys: made, shown once, changed, revoked."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from unfold.admin import ModelAdmin
from unfold.decorators import action, display

from telephony import keys
from telephony.forms_outgoing import ApiKeyForm
from telephony.models import ApiKey

USABLE, EXPIRED, REVOKED = "Usable", "Expired", "Revoked"


def secret_page(
    model_admin: Any, request: HttpRequest, *, secret: str, row: Any, words: str
) -> HttpResponse:
    """Shown in answer to the form itself: a secret is kept neither in a session nor in a link."""
    context = model_admin.admin_site.each_context(request) | {
        "title": "Copy the secret now",
        "opts": model_admin.opts,
        "secret": secret,
        "words": words,
        "row": row,
        "back": reverse(f"admin:telephony_{model_admin.opts.model_name}_changelist"),
    }
    response = TemplateResponse(request, "telephony/secret.html", context)
    response["Cache-Control"] = "no-store"
    return response


def ask_page(
    model_admin: Any, request: HttpRequest, *, title: str, words: str, button: str, row: Any
) -> HttpResponse:
    """A question with a button: links alone change nothing."""
    context = model_admin.admin_site.each_context(request) | {
        "title": title,
        "opts": model_admin.opts,
        "words": words,
        "button": button,
        "row": row,
        "back": reverse(f"admin:telephony_{model_admin.opts.model_name}_change", args=[row.pk]),
    }
    return TemplateResponse(request, "telephony/ask.html", context)


@admin.register(ApiKey)
class ApiKeyAdmin(ModelAdmin):  # type: ignore[misc]
    when_empty = "A program which uses the API needs a key. It is shown once, when you add it."
    form = ApiKeyForm
    list_display = ("name", "prefix", "standing", "may", "expires_at", "last_used_at")
    search_fields = ("name", "prefix")
    ordering = ("name",)
    readonly_fields = (
        "prefix", "standing", "revoked_at", "last_used_at", "created_at", "created_by",
    )  # fmt: skip
    actions_detail = ("revoke",)
    _typed = ("name", "scopes", "allowed_networks", "expires_at", "requests_per_minute")

    @display(  # type: ignore[untyped-decorator]
        description="state", label={USABLE: "success", EXPIRED: "warning", REVOKED: "danger"}
    )
    def standing(self, key: ApiKey) -> str:
        if not key.enabled:
            return REVOKED
        return EXPIRED if key.is_expired(timezone.now()) else USABLE

    @admin.display(description="may")
    def may(self, key: ApiKey) -> str:
        return ", ".join(key.scopes)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        typed = (None, {"fields": self._typed})
        return [typed, ("This key", {"fields": self.readonly_fields})] if obj else [typed]

    def save_model(self, request: HttpRequest, obj: ApiKey, form: Any, change: bool) -> None:
        if not change:
            by = request.user.get_username()
            request.secret = keys.new_secret(obj, by=by, now=timezone.now())  # type: ignore[attr-defined]
        super().save_model(request, obj, form, change)

    def response_add(
        self, request: HttpRequest, obj: ApiKey, post_url_continue: str | None = None
    ) -> HttpResponse:
        words = f"This is the key “{obj}”. We keep no copy: it is shown this once."
        secret: str = request.secret  # type: ignore[attr-defined]
        return secret_page(self, request, secret=secret, row=obj, words=words)

    @action(description="Revoke", url_path="revoke", icon="block", permissions=["change"])  # type: ignore[untyped-decorator]
    def revoke(self, request: HttpRequest, object_id: str) -> HttpResponse:
        key = get_object_or_404(ApiKey, pk=object_id)
        if not self.has_change_permission(request, key):
            raise PermissionDenied
        if request.method != "POST":
            words = (
                f"The program which uses “{key}” ({key.prefix}…) stops working at once. This "
                f"cannot be taken back; it would need another key."
            )
            return ask_page(
                self, request, title="Revoke this key?", words=words, button="Revoke", row=key
            )
        if keys.revoke(key_id=key.pk, now=timezone.now()):
            self.log_change(request, key, "Revoked")
            self.message_user(request, f"“{key}” is revoked.", messages.SUCCESS)
        return HttpResponseRedirect(reverse("admin:telephony_apikey_changelist"))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # revoked keys stay: their name stands in histories
