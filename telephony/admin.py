"""The supervisor's desk for lines. Saving queues a push; the row shows how it went."""

from typing import Any

from django.contrib import admin, messages
from django.db import transaction
from django.db.models import Model, QuerySet
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from unfold.admin import ModelAdmin, TabularInline
from unfold.decorators import display

from agents.look_only import LookOnly
from telephony import edge_sync, later, push, shapes, tasks
from telephony.admin_carriers import CarrierHookAdmin as CarrierHookAdmin
from telephony.admin_connect import ConnectPages
from telephony.admin_doctor import DoctorPage, OfOneNumber
from telephony.admin_edge import ShowsRegistration
from telephony.admin_entrance import EntranceInline
from telephony.admin_numbers import FindsNumbers
from telephony.forms import DispatchRuleForm, NumberForm, NumberFormSet, TrunkForm
from telephony.models import DispatchRule, InboundEvent, Number, SyncState, Trunk
from telephony.paging import UpToPaginator


def push_on_commit() -> None:
    transaction.on_commit(tasks.push_now.delay, robust=True)  # else the audit pushes within 10 s
    if edge_sync.enabled():
        for soon in (0, 7):  # once more when a registrar may have answered
            later.after_commit(tasks.sync_edge.apply_async, countdown=soon)


class SyncedAdmin(ModelAdmin):  # type: ignore[misc]
    """A row LiveKit has a copy of."""

    readonly_fields: tuple[str, ...] = ("sync", "sync_error", "remote_id", "synced_at")
    actions = ("push_again",)

    @display(  # type: ignore[untyped-decorator]
        description="LiveKit",
        ordering="sync_state",
        label={
            SyncState.SYNCED.label: "success",
            SyncState.PENDING.label: "warning",
            SyncState.FAILED.label: "danger",
        },
    )
    def sync(self, row: Any) -> str:
        off = not row.enabled and row.sync_state == SyncState.SYNCED
        return "Switched off" if off else str(SyncState(row.sync_state).label)

    def save_related(
        self, request: HttpRequest, form: Form, formsets: list[Any], change: bool
    ) -> None:
        super().save_related(request, form, formsets, change)
        saved: Model = form.instance  # type: ignore[attr-defined]
        push.mark_pending(self.model._default_manager.filter(pk=saved.pk))
        push_on_commit()

    def delete_model(self, request: HttpRequest, obj: Model) -> None:
        super().delete_model(request, obj)
        push_on_commit()

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        super().delete_queryset(request, queryset)
        push_on_commit()

    @admin.action(description="Push to LiveKit again", permissions=["change"])
    def push_again(self, request: HttpRequest, rows: QuerySet[Any]) -> None:
        push.mark_pending(rows)
        push_on_commit()
        self.message_user(request, "Queued. Reload to see the result.", messages.INFO)


class NumberInline(TabularInline):  # type: ignore[misc]
    model = Number
    form = NumberForm
    formset = NumberFormSet
    fields = ("e164", "label")
    extra = 1


@admin.register(Trunk)
class TrunkAdmin(ConnectPages, DoctorPage, ShowsRegistration, FindsNumbers, SyncedAdmin):
    when_empty = "A trunk is a line to a carrier. “Connect a number”, above, makes one."
    actions_list = ("connect", "doctor")
    actions_detail = ("doctor_of",)
    form = TrunkForm
    inlines = (NumberInline,)
    list_display = (
        "name", "direction", "number_list", "enabled", "sync", "sync_error", "registration",
    )  # fmt: skip
    list_filter = ("direction", "sync_state", "enabled")
    search_fields = ("name", "numbers__e164")
    readonly_fields = (*SyncedAdmin.readonly_fields, "registration", "registered_at")
    fieldsets = (
        (None, {"fields": ("name", "direction", "enabled")}),
        ("Who may call in, or how we log in", {
            "fields": ("allowed_addresses", "auth_username", "password"),
        }),
        ("Outbound", {
            "fields": ("address", "transport", "caller_ids", "from_host", "destination_country",
                       "max_calls", "max_calls_per_s", "daily_spend_cap"),
        }),
        ("What the carrier wants", {
            "fields": ("media_encryption", "codecs", "include_headers", "header_attributes"),
        }),
        ("SIP edge", {
            "fields": ("via_edge", "registers", "registrar", "registration", "registered_at"),
        }),
        ("On LiveKit", {"fields": ("sync", "sync_error", "remote_id", "synced_at")}),
    )  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet[Trunk]:
        rows: QuerySet[Trunk] = super().get_queryset(request)
        return rows.prefetch_related("numbers")

    @admin.display(description="numbers")
    def number_list(self, trunk: Trunk) -> str:
        numbers = [number.e164 for number in trunk.numbers.all()] or trunk.caller_ids
        return ", ".join(shapes.readable(number) for number in numbers)


@admin.register(Number)
class NumberAdmin(OfOneNumber, FindsNumbers, ModelAdmin):  # type: ignore[misc]
    when_empty = "“Connect a number”, above, asks for the carrier, the number and who answers it."
    form = NumberForm
    list_display = ("readable", "label", "trunk")
    list_select_related = ("trunk",)
    search_fields = ("e164", "label")

    def get_inlines(self, request: HttpRequest, obj: Number | None = None) -> tuple[type, ...]:
        """What happens to its calls is set once there is a number."""
        return (EntranceInline,) if obj else ()

    @admin.display(description="number", ordering="e164")
    def readable(self, number: Number) -> str:
        return shapes.readable(number.e164)

    def save_model(self, request: HttpRequest, obj: Number, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        self._push(obj.trunk_id, form.initial.get("trunk"))

    def delete_model(self, request: HttpRequest, obj: Number) -> None:
        super().delete_model(request, obj)
        self._push(obj.trunk_id)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Number]) -> None:
        trunks = list(queryset.values_list("trunk_id", flat=True))
        super().delete_queryset(request, queryset)
        self._push(*trunks)

    def _push(self, *trunk_ids: int | None) -> None:
        push.mark_pending(Trunk.objects.filter(pk__in=[pk for pk in trunk_ids if pk]))
        push_on_commit()


@admin.register(DispatchRule)
class DispatchRuleAdmin(SyncedAdmin):
    when_empty = "A rule says which project answers which trunk. “Connect a number” makes it, too."
    form = DispatchRuleForm
    fields = (
        "name",
        "project",
        "trunks",
        "enabled",
        "sync",
        "sync_error",
        "remote_id",
        "synced_at",
    )
    list_display = ("name", "project", "enabled", "sync", "sync_error")
    list_select_related = ("project",)
    list_filter = ("sync_state", "enabled")
    autocomplete_fields = ("trunks",)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        for warning in push.foreign_warnings():
            self.message_user(request, warning, messages.WARNING)
        response: HttpResponse = super().changelist_view(request, extra_context)
        return response


@admin.register(InboundEvent)
class InboundEventAdmin(LookOnly, ModelAdmin):  # type: ignore[misc]
    """What outside systems told us: look, and have it tried again."""

    list_display = ("received_at", "name", "event_id", "is_handled", "attempts", "error")
    list_filter = (("handled_at", admin.EmptyFieldListFilter),)
    search_fields = ("event_id__exact",)
    search_help_text = "The event's id, as a whole"
    ordering = ("-pk",)
    sortable_by = ()
    paginator = UpToPaginator
    show_full_result_count = False
    actions = ("try_again",)

    @admin.display(boolean=True, description="handled")
    def is_handled(self, event: InboundEvent) -> bool:
        return event.handled_at is not None

    @admin.action(description="Try again", permissions=["view"])
    def try_again(self, request: HttpRequest, rows: QuerySet[InboundEvent]) -> None:
        waiting = list(rows.filter(handled_at=None).values_list("pk", flat=True))
        for pk in waiting:
            tasks.handle_event.delay(pk=pk)
        self.message_user(request, f"{len(waiting)} event(s) queued. Reload to see the result.")


from telephony import admin_outbound as admin_outbound  # noqa: E402
from telephony.admin_api import ApiKeyAdmin as ApiKeyAdmin  # noqa: E402
from telephony.admin_directory import DestinationAdmin as DestinationAdmin  # noqa: E402
from telephony.admin_ingress import IngressAdmin as IngressAdmin  # noqa: E402
from telephony.admin_outgoing import DeliveryAdmin as DeliveryAdmin  # noqa: E402
from telephony.admin_outgoing import SubscriptionAdmin as SubscriptionAdmin  # noqa: E402
