"""The supervisor's desk for the directory: where callers may be sent."""

from django.contrib import admin
from django.utils import timezone
from unfold.admin import ModelAdmin
from unfold.decorators import display

from agents.look_only import LookOnly
from telephony import directory, shapes
from telephony.admin_history import History
from telephony.forms_directory import DestinationForm
from telephony.models import Destination, TransferOrder
from telephony.visible import WithinProjects


@admin.register(Destination)
class DestinationAdmin(ModelAdmin):  # type: ignore[misc]
    when_empty = "The bot can send callers to nobody. Add a person or team with a telephone."
    form = DestinationForm
    list_display = ("name", "key", "readable", "method", "open_now", "for_people", "enabled")
    list_filter = ("enabled", "method", "projects")
    list_select_related = ("schedule",)
    search_fields = ("name", "key", "number")
    prepopulated_fields = {"key": ("name",)}
    autocomplete_fields = ("projects",)
    fieldsets = (
        (None, {
            "fields": ("name", "key", "description", "enabled", "for_people", "projects"),
            "description": "Where the bot and supervisors may send callers, and nowhere else. A "
            "number, hours and line are used from the next transfer on; what the model reads, and "
            "the words, from the next publishing of a project.",
        }),
        ("Telephone", {
            "fields": (
                "number", "method", "trunk", "caller_id", "post_dial", "ring_s", "schedule",
            ),
        }),
        ("Spoken", {"fields": ("announcement", "sorry", "closed")}),
    )  # fmt: skip

    @admin.display(description="number", ordering="number")
    def readable(self, row: Destination) -> str:
        return shapes.readable(row.number)

    @display(  # type: ignore[untyped-decorator]
        description="now", label={"Open": "success", "Closed": "warning", "Switched off": ""}
    )
    def open_now(self, row: Destination) -> str:
        if not row.enabled:
            return "Switched off"
        return "Open" if directory.is_open(row, timezone.now()) else "Closed"


@admin.register(TransferOrder)
class TransferOrderAdmin(LookOnly, History, WithinProjects, ModelAdmin):  # type: ignore[misc]
    """Who sent which call where, and what became of it. History: look, never touch."""

    to_project = "call__"
    when_empty = "Nobody has sent a call on from its page so far."
    list_display = ("at", "by", "destination", "call", "state", "outcome")
    list_select_related = ("destination", "call")
    list_filter = ("state",)
    history_field = "at"
