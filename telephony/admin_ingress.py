"""The pages of ingress: sources, where they play, how they do, and their keys, shown once."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from unfold.admin import ModelAdmin
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminSelectWidget

from agents import seal
from telephony import ingress_address, ingress_push, push, shapes, tasks_ingress
from telephony.admin_api import ask_page, secret_page
from telephony.later import after_commit
from telephony.models import Call, Ingress, SyncState

STATE_COLOURS = {
    Ingress.State.INACTIVE: "",
    Ingress.State.BUFFERING: "info",
    Ingress.State.PUBLISHING: "success",
    Ingress.State.ERROR: "danger",
    Ingress.State.COMPLETE: "",
}


class _CallChoice(forms.ModelChoiceField):  # type: ignore[type-arg]
    def label_from_instance(self, call: Any) -> str:
        caller = shapes.readable(call.caller) or "withheld"
        return f"{caller}, since {timezone.localtime(call.started_at):%H:%M:%S}"


class IngressForm(forms.ModelForm):  # type: ignore[type-arg]
    call = _CallChoice(
        queryset=Call.objects.none(),
        required=False,
        widget=UnfoldAdminSelectWidget,
        help_text="Into a call which is on now. It is stopped when the call ends.",
    )

    class Meta:
        model = Ingress
        fields = ("name", "kind", "purpose", "source_url", "call", "room", "enabled")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        mine = Call.objects.filter(pk=self.instance.call_id or 0)
        self.fields["call"].queryset = (Call.objects.open() | mine).order_by("-started_at")  # type: ignore[attr-defined]

    def clean_source_url(self) -> str:
        url = str(self.cleaned_data["source_url"])
        if not url:
            return ""
        try:
            return ingress_address.check(url, private=settings.INGRESS_PRIVATE_NETWORKS)
        except ingress_address.Forbidden as reason:
            raise ValidationError(str(reason)) from reason

    def clean(self) -> dict[str, Any] | None:
        values = super().clean() or {}
        by_url = values.get("kind") == Ingress.Kind.URL
        if by_url and not values.get("source_url") and "source_url" not in self.errors:
            self.add_error("source_url", "Where is it fetched from?")
        if not by_url and values.get("source_url"):
            self.add_error("source_url", "Only a URL is fetched; the others are sent to us.")
        if bool(values.get("call")) == bool(values.get("room")) and "room" not in self.errors:
            self.add_error("room", "Choose a call, or name a standing room: one of the two.")
        return values


@admin.register(Ingress)
class IngressAdmin(ModelAdmin):  # type: ignore[misc]
    when_empty = (
        "An ingress brings sound or a picture from outside into a call or a room: an announcement "
        "or hold music from a web address, or what somebody sends by RTMP or WHIP."
    )
    form = IngressForm
    list_display = ("name", "kind", "purpose", "where", "state_shown", "sync", "trouble")
    list_filter = ("kind", "purpose", "state", "sync_state")
    list_select_related = ("call",)
    search_fields = ("name",)
    readonly_fields = (
        "state_words", "state_error", "address", "key_words", "sync", "sync_error", "remote_id",
        "synced_at",
    )  # fmt: skip
    actions_detail = ("show_key", "renew_key", "again")
    actions = ("push_again",)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        typed: list[Any] = [(None, {"fields": IngressForm.Meta.fields})]
        if obj is None:
            return typed
        return [
            *typed,
            ("Now", {"fields": ("state_words", "state_error", "address", "key_words")}),
            ("On LiveKit", {"fields": ("sync", "sync_error", "remote_id", "synced_at")}),
        ]

    @display(description="state", label=STATE_COLOURS)  # type: ignore[untyped-decorator]
    def state_shown(self, row: Ingress) -> tuple[str, str]:
        return row.state, row.get_state_display()

    @admin.display(description="state")
    def state_words(self, row: Ingress) -> str:
        return str(row.get_state_display())

    @display(  # type: ignore[untyped-decorator]
        description="LiveKit",
        label={"On LiveKit": "success", "Pending": "warning", "Failed": "danger"},
    )
    def sync(self, row: Ingress) -> str:
        if row.sync_state == SyncState.SYNCED and not row.remote_id:
            return "Over" if row.enabled else "Switched off"
        return str(SyncState(row.sync_state).label)

    @admin.display(description="plays in")
    def where(self, row: Ingress) -> str:
        if row.call:
            return f"Call of {shapes.readable(row.call.caller) or 'a withheld number'}"
        return f"Room {row.room}" if row.room else "A call which is no longer here"

    @admin.display(description="trouble", empty_value="")
    def trouble(self, row: Ingress) -> str:
        return row.sync_error or row.state_error

    @admin.display(description="stream key")
    def key_words(self, row: Ingress) -> str:
        if row.kind == Ingress.Kind.URL:
            return "None: we fetch the source."
        if row.sealed_stream_key:
            return "Not shown yet. “Stream key”, above, shows it once."
        if row.key_shown_at:
            shown = timezone.localtime(row.key_shown_at)
            return f"Shown on {shown:%Y-%m-%d %H:%M}. “New key”, above, makes another one."
        return "There is none until LiveKit has it."

    def save_model(self, request: HttpRequest, obj: Ingress, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        push.mark_pending(Ingress.objects.filter(pk=obj.pk))
        if change and {"source_url", "enabled", "call", "room"} & set(form.changed_data):
            ingress_push.play_again(row=obj)
        after_commit(tasks_ingress.push_ingress.delay)

    def delete_model(self, request: HttpRequest, obj: Ingress) -> None:
        super().delete_model(request, obj)
        after_commit(tasks_ingress.push_ingress.delay)

    def delete_queryset(self, request: HttpRequest, queryset: Any) -> None:
        super().delete_queryset(request, queryset)
        after_commit(tasks_ingress.push_ingress.delay)

    @admin.action(description="Push to LiveKit again", permissions=["change"])
    def push_again(self, request: HttpRequest, rows: Any) -> None:
        push.mark_pending(rows)
        after_commit(tasks_ingress.push_ingress.delay)
        self.message_user(request, "Queued. Reload to see the result.", messages.INFO)

    @action(description="Stream key", url_path="key", icon="key", permissions=["change"])  # type: ignore[untyped-decorator]
    def show_key(self, request: HttpRequest, object_id: str) -> HttpResponse:
        row = self._row(request, object_id)
        if request.method != "POST":
            words = (
                f"The stream key of “{row}” is shown once. Whoever has it can play into its room; "
                f"afterwards we keep no copy."
            )
            return ask_page(
                self, request, title="Show the stream key?", words=words, button="Show it", row=row
            )
        try:
            key = ingress_push.take_key(row=row, now=timezone.now())
        except seal.SealBroken as broken:
            return self._back(request, row, str(broken), messages.ERROR)
        if not key:
            return self._back(request, row, self.key_words(row), messages.WARNING)
        self.log_change(request, row, "Stream key shown")
        words = f"The stream key of “{row}”. Send to {row.address}. It is shown this once."
        return secret_page(self, request, secret=key, row=row, words=words)

    @action(description="New key", url_path="new-key", icon="autorenew", permissions=["change"])  # type: ignore[untyped-decorator]
    def renew_key(self, request: HttpRequest, object_id: str) -> HttpResponse:
        row = self._row(request, object_id)
        if row.kind == Ingress.Kind.URL:
            return self._back(request, row, self.key_words(row), messages.WARNING)
        if request.method != "POST":
            words = f"Whoever sends to “{row}” with the old key is cut off."
            return ask_page(
                self, request, title="Make a new key?", words=words, button="New key", row=row
            )
        ingress_push.new_key(row=row)
        self.log_change(request, row, "New stream key")
        after_commit(tasks_ingress.push_ingress.delay)
        return self._back(request, row, "It is being made. Reload, then show it.", messages.INFO)

    @action(description="Play again", url_path="again", icon="replay", permissions=["change"])  # type: ignore[untyped-decorator]
    def again(self, request: HttpRequest, object_id: str) -> HttpResponse:
        row = self._row(request, object_id)
        if row.kind != Ingress.Kind.URL:
            return self._back(request, row, "It plays whenever somebody sends.", messages.WARNING)
        if request.method != "POST":
            words = f"{row.source_url} is fetched and played from its beginning."
            return ask_page(
                self, request, title="Play it again?", words=words, button="Play", row=row
            )
        ingress_push.play_again(row=row)
        after_commit(tasks_ingress.push_ingress.delay)
        return self._back(request, row, "It begins.", messages.INFO)

    def _row(self, request: HttpRequest, object_id: str) -> Ingress:
        row = get_object_or_404(Ingress.objects.select_related("call"), pk=object_id)
        if not self.has_change_permission(request, row):
            raise PermissionDenied
        return row

    def _back(
        self, request: HttpRequest, row: Ingress, words: str, level: int
    ) -> HttpResponseRedirect:
        self.message_user(request, words, level)
        return HttpResponseRedirect(reverse("admin:telephony_ingress_change", args=[row.pk]))
