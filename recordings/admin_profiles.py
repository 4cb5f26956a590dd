"""The desk for stores and recording profiles."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import Count, QuerySet
from django.forms import Form
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin
from unfold.decorators import action, display

from agents.models import Project
from recordings import stores
from recordings.errors import StoreRefused
from recordings.forms_profiles import RecordingProfileForm, StoreForm
from recordings.models import RecordingProfile, Store

FINE, FAULT, UNTRIED = "Works", "Does not work", "Not tried"


@admin.register(Store)
class StoreAdmin(ModelAdmin):  # type: ignore[misc]
    when_empty = "Recordings go into the store of the environment (S3_…). Add another one here, "
    when_empty += "and choose it in a recording profile."
    form = StoreForm
    list_display = ("name", "bucket", "endpoint", "region", "state", "tried_at")
    search_fields = ("name", "bucket")
    ordering = ("name",)
    readonly_fields = ("state", "tried_at", "said")
    actions_submit_line = ("try_store",)
    fieldsets = (
        (None, {"fields": ("name", "endpoint", "public_endpoint", ("region", "bucket"))}),
        ("How it is opened", {
            "fields": ("path_style", ("access_key", "secret"), "role_arn"),
        }),
        ("What is written", {"fields": ("layout", ("encryption", "kms_key"))}),
        ("Last trial", {"fields": (("state", "tried_at"), "said")}),
    )  # fmt: skip

    @display(  # type: ignore[untyped-decorator]
        description="state", label={FINE: "success", FAULT: "danger", UNTRIED: "warning"}
    )
    def state(self, store: Store) -> str:
        if store.trial_ok is None:
            return UNTRIED
        return FINE if store.trial_ok else FAULT

    @admin.display(description="what it said")
    def said(self, store: Store) -> str | SafeString:
        if not store.trial:
            return "“Save and try this store” writes a small object, reads it and deletes it."
        lines = ((line,) for line in store.trial.splitlines())
        return format_html("<ol>{}</ol>", format_html_join("", "<li>{}</li>", lines))

    @action(description="Save and try this store", icon="network_check", permissions=["change"])  # type: ignore[untyped-decorator]
    def try_store(self, request: HttpRequest, store: Store) -> None:
        """Only noted here: the row must be saved, and no transaction held, while a store is
        asked."""
        request.store_to_try = store  # type: ignore[attr-defined]

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        response: HttpResponse = super().changeform_view(
            request, object_id, form_url, extra_context
        )
        store: Store | None = getattr(request, "store_to_try", None)
        if store is not None and store.pk and response.status_code == 302:
            _try(request, store)
        return response

    def response_change(self, request: HttpRequest, obj: Store) -> HttpResponse:
        if hasattr(request, "store_to_try"):
            return HttpResponseRedirect(request.path)
        response: HttpResponse = super().response_change(request, obj)
        return response


def _try(request: HttpRequest, store: Store) -> None:
    now = timezone.now()
    try:
        trial = stores.try_store(bucket=stores.bucket_at(store), now=now)
    except (StoreRefused, ValueError) as reason:
        trial = stores.Trial(False, str(reason))
    stores.keep_trial(store_id=store.pk, trial=trial, now=now)
    level = messages.SUCCESS if trial.ok else messages.ERROR
    for line in trial.words.splitlines():
        messages.add_message(request, level, line)


@admin.register(RecordingProfile)
class RecordingProfileAdmin(ModelAdmin):  # type: ignore[misc]
    when_empty = "Without a profile egress records OGG with two channels: caller left, bot right. "
    when_empty += "Add one to record otherwise, or to another store."
    form = RecordingProfileForm
    list_display = ("name", "kind", "format", "channels", "video", "kept_in", "live", "used_for")
    list_select_related = ("store",)
    list_filter = ("kind", "format")
    search_fields = ("name",)
    ordering = ("name",)
    autocomplete_fields = ("store",)
    readonly_fields = ("live",)
    fieldsets = (
        (None, {"fields": ("name", "projects")}),
        ("What is recorded", {"fields": ("kind", ("format", "channels"), "video", "store")}),
        ("Live, while the call is on", {
            "fields": ("live", "rtmp", "websocket", "forget_live"),
        }),
    )  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet[RecordingProfile]:
        rows: QuerySet[RecordingProfile] = super().get_queryset(request)
        return rows.annotate(projects_count=Count("uses"))

    @admin.display(description="store", ordering="store__name")
    def kept_in(self, profile: RecordingProfile) -> str:
        return str(profile.store) if profile.store else "of the environment"

    @admin.display(description="live to")
    def live(self, profile: RecordingProfile) -> str:
        return profile.live_hosts or "nobody"

    @admin.display(description="projects", ordering="projects_count")
    def used_for(self, profile: RecordingProfile) -> int:
        return int(getattr(profile, "projects_count", 0))

    def save_related(
        self, request: HttpRequest, form: Form, formsets: list[Any], change: bool
    ) -> None:
        super().save_related(request, form, formsets, change)
        profile: RecordingProfile = form.instance  # type: ignore[attr-defined]
        by_worker = Project.objects.filter(
            recording_use__profile=profile, recorder=Project.Recorder.WORKER
        )
        if names := ", ".join(by_worker.values_list("name", flat=True)):
            words = "records by the bot's own recorder: of this profile only the store counts."
            self.message_user(request, f"{names} {words}", messages.WARNING)
