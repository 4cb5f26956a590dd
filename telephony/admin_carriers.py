"""Where carriers post to: the address to copy, what to enter where, and what was wrong lately."""

from django.contrib import admin
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin
from unfold.decorators import display

from agents.look_only import LookOnly
from telephony import carrier_hooks, carriers
from telephony.forms_carriers import CarrierHookForm
from telephony.models import CarrierCall, CarrierHook
from telephony.paging import UpToPaginator
from telephony.visible import WithinProjects

FINE, QUIET, REFUSED, OFF = "Heard", "Not heard yet", "Refused lately", "Switched off"


@admin.register(CarrierHook)
class CarrierHookAdmin(ModelAdmin):  # type: ignore[misc]
    when_empty = "Add one if your carrier shall tell why calls failed and what they cost."
    form = CarrierHookForm
    list_display = ("name", "kind", "enabled", "state", "seen_at", "refused_at")
    list_filter = ("kind", "enabled")
    search_fields = ("name",)
    ordering = ("name",)
    autocomplete_fields = ("trunks",)
    readonly_fields = ("address", "setup", "state", "seen_at", "refused_at", "refusal")
    fieldsets = (
        (None, {"fields": ("name", "kind", "secret", "trunks", "enabled")}),
        ("What to enter at the carrier", {"fields": ("address", "setup")}),
        ("What came", {"fields": ("state", "seen_at", "refused_at", "refusal")}),
        ("More", {"fields": ("all_numbers", "mapping")}),
    )

    @display(  # type: ignore[untyped-decorator]
        description="state",
        label={FINE: "success", QUIET: "warning", REFUSED: "danger", OFF: ""},
    )
    def state(self, hook: CarrierHook) -> str:
        if not hook.enabled:
            return OFF
        if hook.refused_at and (hook.seen_at is None or hook.refused_at > hook.seen_at):
            return REFUSED
        return FINE if hook.seen_at else QUIET

    @admin.display(description="address")
    def address(self, hook: CarrierHook) -> str | SafeString:
        if hook.pk is None:
            return "It is made when you save."
        # a code element, not a link: it is to be copied, and answers no browser
        return format_html(
            '<code style="user-select:all;overflow-wrap:anywhere">{}</code>',
            carrier_hooks.address(hook),
        )

    @admin.display(description="how")
    def setup(self, hook: CarrierHook) -> str | SafeString:
        carrier = carriers.known().get(hook.kind)
        if carrier is None:
            return "Choose the carrier and save."
        steps = format_html_join("", "<li>{}</li>", ((step,) for step in carrier.setup))
        return format_html('<ol style="list-style:decimal;padding-left:1.25rem">{}</ol>', steps)


@admin.register(CarrierCall)
class CarrierCallAdmin(LookOnly, WithinProjects, ModelAdmin):  # type: ignore[misc]
    """What carriers told of their calls, also of those which are not ours: look only."""

    to_project = "call__"
    when_empty = "No carrier has told of a call yet. Carrier hooks say what to enter there."
    list_display = (
        "heard_at", "kind", "caller", "called", "state", "status", "sip_status", "cause", "words",
        "price", "currency", "has_call",
    )  # fmt: skip
    list_filter = ("kind", "state")
    search_fields = ("carrier_id__exact", "sip_call_id__exact")
    search_help_text = "The carrier's id or the SIP Call-ID, as a whole."
    paginator = UpToPaginator
    ordering = ("-pk",)
    show_full_result_count = False
    list_select_related = False
    exclude = ("told",)

    @admin.display(boolean=True, description="joined")
    def has_call(self, facts: CarrierCall) -> bool:
        return facts.call_id is not None
