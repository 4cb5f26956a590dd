"""Webhooks and what became of each delivery: look, try, send again."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from unfold.admin import ModelAdmin
from unfold.decorators import action, display

from agents.look_only import LookOnly
from telephony import delivering, outgoing, subscribing, tasks
from telephony.admin_api import ask_page, secret_page
from telephony.forms_outgoing import SubscriptionForm
from telephony.later import after_commit
from telephony.models import Delivery, Subscription
from telephony.models_outgoing import DeliveryState
from telephony.paging import UpToPaginator

ON, FAILING, OFF = "On", "Failing", "Off"
SIGNING_WORDS = (
    "With this secret the receiver checks our signature (Standard Webhooks, webhook-signature). "
    "It is shown this once."
)


@admin.register(Subscription)
class SubscriptionAdmin(ModelAdmin):  # type: ignore[misc]
    when_empty = "Add an address of yours which is to be told what happens to calls."
    form = SubscriptionForm
    list_display = ("name", "url", "tells_of", "standing", "failing_since")
    search_fields = ("name", "url")
    ordering = ("name",)
    readonly_fields = ("standing", "off_reason", "failing_since", "created_at", "created_by")
    actions_detail = ("send_test", "new_secret")
    _typed = ("name", "url", "events", "enabled")

    @display(  # type: ignore[untyped-decorator]
        description="state", label={ON: "success", FAILING: "warning", OFF: "danger"}
    )
    def standing(self, hook: Subscription) -> str:
        if not hook.enabled:
            return OFF
        return FAILING if hook.failing_since else ON

    @admin.display(description="tells of")
    def tells_of(self, hook: Subscription) -> str:
        return ", ".join(hook.events)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        typed = (None, {"fields": self._typed})
        return [typed, ("How it goes", {"fields": self.readonly_fields})] if obj else [typed]

    def save_model(self, request: HttpRequest, obj: Subscription, form: Any, change: bool) -> None:
        if not change:
            obj.created_at, obj.created_by = timezone.now(), request.user.get_username()
            made = subscribing.give_secret(obj, now=timezone.now())
            request.secret = made  # type: ignore[attr-defined]
        super().save_model(request, obj, form, change)

    def response_add(
        self, request: HttpRequest, obj: Subscription, post_url_continue: str | None = None
    ) -> HttpResponse:
        secret: str = request.secret  # type: ignore[attr-defined]
        return secret_page(self, request, secret=secret, row=obj, words=SIGNING_WORDS)

    @action(  # type: ignore[untyped-decorator]
        description="Send a test", url_path="test", icon="send", permissions=["change"]
    )
    def send_test(self, request: HttpRequest, object_id: str) -> HttpResponse:
        hook = self._hook(request, object_id)
        if request.method != "POST":
            words = f"An event “{outgoing.TEST}” goes to {hook.url}; it is signed like all others."
            return ask_page(
                self, request, title="Send a test?", words=words, button="Send it", row=hook
            )
        if not hook.enabled:
            self.message_user(request, "It is switched off. Switch it on first.", messages.ERROR)
            return HttpResponseRedirect(
                reverse("admin:telephony_subscription_change", args=[hook.pk])
            )
        delivery = outgoing.tell_test(subscription=hook)
        self.message_user(request, "Queued. Reload to see what the receiver answers.")
        return HttpResponseRedirect(reverse("admin:telephony_delivery_change", args=[delivery.pk]))

    @action(  # type: ignore[untyped-decorator]
        description="New secret", url_path="secret", icon="key", permissions=["change"]
    )
    def new_secret(self, request: HttpRequest, object_id: str) -> HttpResponse:
        hook = self._hook(request, object_id)
        if request.method != "POST":
            words = (
                "The receiver needs the new secret. For a day we sign with both; after that the "
                "old one is worthless."
            )
            return ask_page(
                self, request, title="Make a new secret?", words=words, button="Make one", row=hook
            )
        secret = subscribing.give_secret(hook, now=timezone.now())
        hook.save(update_fields=["sealed_secret", "sealed_previous_secret", "previous_until"])
        self.log_change(request, hook, "New secret")
        return secret_page(self, request, secret=secret, row=hook, words=SIGNING_WORDS)

    def _hook(self, request: HttpRequest, object_id: str) -> Subscription:
        hook = get_object_or_404(Subscription, pk=object_id)
        if not self.has_change_permission(request, hook):
            raise PermissionDenied
        return hook


@admin.register(Delivery)
class DeliveryAdmin(LookOnly, ModelAdmin):  # type: ignore[misc]
    """History: look, and send again."""

    when_empty = "Nothing has been sent: there is no webhook, or no call since it was added."
    list_display = (
        "happened", "type", "call", "subscription", "state_shown", "attempts", "last_status",
        "next_try_at", "error",
    )  # fmt: skip
    list_filter = ("state", "subscription")
    list_select_related = ("event__call", "subscription")
    ordering = ("-pk",)
    sortable_by = ()
    show_full_result_count = False
    paginator = UpToPaginator
    list_per_page = 50
    actions = ("send_again",)
    fields = (
        "subscription", "type", "call", "webhook_id", "happened", "state_shown", "attempts",
        "last_status", "error", "next_try_at", "delivered_at", "body",
    )  # fmt: skip

    @admin.display(description="when")
    def happened(self, row: Delivery) -> str:
        return f"{timezone.localtime(row.event.created_at):%Y-%m-%d %H:%M:%S}"

    @admin.display(description="event")
    def type(self, row: Delivery) -> str:
        return row.event.type

    @admin.display(description="call", empty_value="")
    def call(self, row: Delivery) -> str | None:
        call = row.event.call_id
        if call is None:
            return None
        url = reverse("admin:telephony_call_change", args=[call])
        return format_html('<a class="text-link" href="{}">Call {}</a>', url, call)

    @admin.display(description="webhook-id")
    def webhook_id(self, row: Delivery) -> str:
        return row.event.uid

    @admin.display(description="what is told")
    def body(self, row: Delivery) -> str:
        return format_html('<pre class="whitespace-pre-wrap break-all">{}</pre>', row.event.body)

    @display(  # type: ignore[untyped-decorator]
        description="state",
        label={
            DeliveryState.PENDING.label: "warning",
            DeliveryState.SENDING.label: "info",
            DeliveryState.DELIVERED.label: "success",
            DeliveryState.DEAD.label: "danger",
        },
    )
    def state_shown(self, row: Delivery) -> str:
        return str(DeliveryState(row.state).label)

    @admin.action(description="Send again", permissions=["replay"])
    def send_again(self, request: HttpRequest, rows: QuerySet[Delivery]) -> None:
        moved = delivering.replay(rows, now=timezone.now())
        for pk in moved:
            after_commit(tasks.send_delivery.delay, pk=pk)
        told = f"{len(moved)} queued. Reload to see the result."
        if left := rows.count() - len(moved):
            told += f" {left} left alone: on their way already."
        self.message_user(request, told)

    def has_replay_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("telephony.change_subscription")
