"""Projects with a publish button, provider accounts, published plans. No business here."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db import models
from django.forms import Form
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils import timezone
from unfold.admin import ModelAdmin, StackedInline
from unfold.decorators import action, display

from agents import services
from agents.forms import ProjectForm, ProviderAccountForm
from agents.models import FaqEntry, Project, ProviderAccount, PublishedPlan

LIVE, CHANGED, NEVER = "Live", "Unpublished changes", "Never published"


class FaqInline(StackedInline):  # type: ignore[misc]
    model = FaqEntry
    fields = (("question", "digit", "position"), "variants", "answer")
    ordering = ("position", "pk")
    extra = 0


@admin.register(Project)
class ProjectAdmin(ModelAdmin):  # type: ignore[misc]
    form = ProjectForm
    inlines = (FaqInline,)
    list_display = ("name", "slug", "language", "publication", "record")
    list_select_related = ("published",)
    search_fields = ("name", "slug")
    prepopulated_fields = {"slug": ("name",)}
    readonly_fields = ("publication", "live_version")
    actions_submit_line = ("publish",)
    fieldsets = (
        ("What callers hear now", {"fields": ("publication", "live_version")}),
        (None, {"fields": ("name", ("slug", "language"), "greeting")}),
        ("Voice and answers", {
            "fields": ("stt_account", "llm_account", ("tts_account", "voice"), "vad_preset",
                       "instructions"),
        }),
        ("What the bot says", {
            "fields": ("ask_back", "silence_prompt", "handover", "goodbye", "apology"),
        }),
        ("Limits and recording", {
            "fields": (("silence_s", "max_call_s"), ("record", "recorder")),
        }),
    )  # fmt: skip

    def formfield_for_dbfield(
        self, db_field: "models.Field[Any, Any]", request: HttpRequest, **kwargs: Any
    ) -> forms.Field | None:
        field: forms.Field | None = super().formfield_for_dbfield(db_field, request, **kwargs)
        if field and isinstance(db_field, models.TextField):
            field.widget.attrs["rows"] = 3  # what is spoken is a sentence or two
        return field

    @display(  # type: ignore[untyped-decorator]
        description="Published", label={LIVE: "success", CHANGED: "warning", NEVER: "danger"}
    )
    def publication(self, project: Project) -> str:
        if project.pk is None or project.published is None:
            return NEVER
        return CHANGED if services.has_unpublished_changes(project=project) else LIVE

    @admin.display(description="Live version")
    def live_version(self, project: Project) -> str:
        plan = project.published
        if plan is None:
            return "None: calls to this project cannot be answered before it is published."
        who = f" by {plan.created_by}" if plan.created_by else ""
        made = f"{plan.created_at:%Y-%m-%d %H:%M}{who}"
        return f"Version {plan.version}, made {made} ({plan.digest[:12]})"

    @action(description="Save and publish", icon="publish", permissions=["change"])  # type: ignore[untyped-decorator]
    def publish(self, request: HttpRequest, project: Project) -> None:
        """Only noted here: the FAQ below the form is saved after this."""
        request.publish_pressed = True  # type: ignore[attr-defined]

    def save_related(
        self, request: HttpRequest, form: Form, formsets: list[Any], change: bool
    ) -> None:
        super().save_related(request, form, formsets, change)
        if not getattr(request, "publish_pressed", False):
            return
        project_id: int = form.instance.pk  # type: ignore[attr-defined]
        by = request.user.get_username()
        try:
            plan = services.publish(project_id=project_id, by=by, now=timezone.now())
        except services.DraftIncomplete as incomplete:
            self.message_user(request, "Saved, but not published.", messages.ERROR)
            for problem in incomplete.problems:
                self.message_user(request, problem, messages.ERROR)
        else:
            text = f"Version {plan.version} is live: the next call hears it."
            self.message_user(request, text, messages.SUCCESS)

    def response_change(self, request: HttpRequest, obj: Project) -> HttpResponse:
        if getattr(request, "publish_pressed", False):
            return HttpResponseRedirect(request.path)
        response: HttpResponse = super().response_change(request, obj)
        return response


@admin.register(ProviderAccount)
class ProviderAccountAdmin(ModelAdmin):  # type: ignore[misc]
    form = ProviderAccountForm
    list_display = ("name", "provider", "model", "has_key")
    fields = ("name", "provider", "base_url", "model", "has_key", "key", "forget_key")
    readonly_fields = ("has_key",)

    @admin.display(boolean=True, description="key")
    def has_key(self, account: ProviderAccount) -> bool:
        return bool(account.sealed_key)


@admin.register(PublishedPlan)
class PublishedPlanAdmin(ModelAdmin):  # type: ignore[misc]
    """History: look, never touch."""

    list_display = ("project", "version", "is_live", "created_at", "created_by", "digest")
    list_filter = ("project",)
    list_select_related = ("project",)
    ordering = ("-created_at", "-pk")

    @admin.display(boolean=True, description="live")
    def is_live(self, plan: PublishedPlan) -> bool:
        return plan.project.published_id == plan.pk

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
