"""Provider accounts: the form shows what fits the provider; a key is written, never read."""

from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.html import format_html
from unfold.admin import ModelAdmin
from unfold.decorators import display
from unfold.views import ChangeList

from agents import admin_trials, provider_health
from agents.accounts import ENVIRONMENT, take_environment
from agents.admin_trials import TrialPages
from agents.chains import is_installed
from agents.draft import lacks_key
from agents.forms import ProviderAccountForm
from agents.models import ProviderAccount
from agents.providers import PROVIDERS, Provider

READY, NO_KEY, NO_URL, NO_PACKAGE = "Ready", "No key", "No base URL", "Package missing"
GONE, UNKNOWN = "Gone from the environment", "Unknown provider"
STATES = {
    READY: "success", NO_KEY: "danger", NO_URL: "danger", NO_PACKAGE: "danger",
    GONE: "danger", UNKNOWN: "danger",
}  # fmt: skip


class AccountList(ChangeList):  # type: ignore[misc]
    def get_results(self, request: HttpRequest) -> None:
        """With each one's health: asked for once, not for each row."""
        super().get_results(request)
        down = provider_health.who_is_down()
        rows: list[Any] = list(getattr(self, "result_list", ()))
        for account in rows:
            account.health_words = provider_health.words(account, down, timezone.now())
        self.result_list = rows


@admin.register(ProviderAccount)
class ProviderAccountAdmin(TrialPages, ModelAdmin):  # type: ignore[misc]
    form = ProviderAccountForm
    list_display = ("name", "provider_shown", "source", "model", "has_key", "state", "health")
    list_filter = ("source",)
    search_fields = ("name",)
    ordering = ("name",)

    class Media:
        js = ("agents/account.js", "agents/try.js")
        css = {"all": ("agents/try.css",)}

    @admin.display(description="provider", ordering="provider")
    def provider_shown(self, account: ProviderAccount) -> str:
        provider = PROVIDERS.get(account.provider)
        return provider.label if provider else account.provider

    @admin.display(boolean=True, description="key")
    def has_key(self, account: ProviderAccount) -> bool:
        return bool(account.sealed_key)

    @admin.display(description="variables")
    def variables(self, account: ProviderAccount) -> str:
        provider = PROVIDERS.get(account.provider)
        names = (provider.key_env, provider.url_env) if provider else ()
        return ", ".join(name for name in names if name)

    @display(description="state", label=STATES)  # type: ignore[untyped-decorator]
    def state(self, account: ProviderAccount) -> str:
        provider = PROVIDERS.get(account.provider)
        if provider is None:
            return UNKNOWN
        if not account.enabled:
            return GONE
        if not is_installed(provider):
            return NO_PACKAGE
        if provider.needs_url and not account.base_url:
            return NO_URL
        return NO_KEY if lacks_key(account, provider) else READY

    @admin.display(description="health")
    def health(self, account: Any) -> str:
        """Only of a row of the list."""
        words: str = account.health_words
        if not words.startswith("down"):
            return words
        return format_html('<span class="text-red-600 dark:text-red-500">{}</span>', words)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[AccountList]:
        return AccountList

    # --- the form -------------------------------------------------------------------------------

    def get_fields(self, request: HttpRequest, obj: ProviderAccount | None = None) -> list[str]:
        if obj and obj.source == ENVIRONMENT:
            return ["name", "provider_shown", "variables", "base_url", "has_key", "state"]
        provider = PROVIDERS.get(obj.provider if obj else request.GET.get("provider", ""))
        return [
            "name",
            "provider_shown" if obj else "provider",
            *_fitting(provider, is_saved=obj is not None),
        ]

    def get_readonly_fields(
        self, request: HttpRequest, obj: ProviderAccount | None = None
    ) -> tuple[str, ...]:
        """A saved account keeps its provider: its key is for that one only."""
        shown = ("provider_shown", "variables", "has_key", "state")
        return (*shown, "provider") if obj else shown

    def has_change_permission(
        self, request: HttpRequest, obj: ProviderAccount | None = None
    ) -> bool:
        allowed: bool = super().has_change_permission(request, obj)
        return allowed and not _is_environments(obj)

    def has_delete_permission(
        self, request: HttpRequest, obj: ProviderAccount | None = None
    ) -> bool:
        allowed: bool = super().has_delete_permission(request, obj)
        return allowed and not _is_environments(obj)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        take_environment()
        response: HttpResponse = super().changelist_view(request, extra_context)
        return response

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        account = self.get_object(request, object_id) if object_id else None
        slug = account.provider if account else request.GET.get("provider", "")
        provider = PROVIDERS.get(slug)
        if provider and request.method == "GET" and not is_installed(provider):
            self.message_user(request, missing(provider), messages.WARNING)
        shown = admin_trials.context_of(request, account) | (extra_context or {})
        response: HttpResponse = super().changeform_view(request, object_id, form_url, shown)
        return response


def _is_environments(account: ProviderAccount | None) -> bool:
    return account is not None and account.source == ENVIRONMENT


def missing(provider: Provider) -> str:
    return (
        f"{provider.label} needs the package {provider.package}, which is not installed here. "
        f"Run `make extras` and start again; until then no project with this account can be "
        f"published."
    )


def _fitting(provider: Provider | None, *, is_saved: bool) -> list[str]:
    """All of them as long as nobody has chosen a provider."""
    address = [] if provider and provider.embedded else ["base_url", "model"]
    if provider and not provider.needs_key:
        return address
    return [*address, *(["has_key", "key", "forget_key"] if is_saved else ["key"])]
