"""Projects with a publish button, provider accounts, published plans. No business here."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db import models
from django.forms import Form
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils import timezone
from django.utils.html import format_html
from unfold.admin import ModelAdmin, StackedInline, TabularInline
from unfold.decorators import action, display

from agents import page, services, trial_page
from agents.admin_menus import MenuFields, PurposeInline
from agents.admin_trials import may_try
from agents.forms import ProjectForm, chain_formset
from agents.look_only import LookOnly
from agents.models import ChainMember, FaqEntry, Project, ProviderAccount, PublishedPlan
from agents.providers import Role, for_role

LIVE, CHANGED, NEVER = "Live", "Unpublished changes", "Never published"


class FaqInline(StackedInline):  # type: ignore[misc]
    model = FaqEntry
    fields = ("question", "variants", "answer", ("digit", "position"), "live")
    ordering = ("position", "pk")
    extra = 0


class ChainInline(TabularInline):  # type: ignore[misc]
    """A project's own providers for one role, in the order in which they are tried."""

    model = ChainMember
    role: Role
    ordering = ("position", "pk")
    ordering_field = "position"
    extra = 0

    def formfield_for_foreignkey(
        self, db_field: "models.ForeignKey[Any, Any]", request: HttpRequest, **kwargs: Any
    ) -> Any:
        if db_field.name == "account":
            slugs = [slug for slug, _ in for_role(self.role)]
            accounts = ProviderAccount.objects.filter(provider__in=slugs).order_by("name")
            kwargs["queryset"] = accounts
        return super().formfield_for_foreignkey(db_field, request, **kwargs)


class HearingInline(ChainInline):
    role, formset = Role.STT, chain_formset(Role.STT)
    fields = ("position", "account", "model")
    verbose_name, verbose_name_plural = "provider", "Own providers: speech to text"


class AnswersInline(ChainInline):
    role, formset = Role.LLM, chain_formset(Role.LLM)
    fields = ("position", "account", "model")
    verbose_name, verbose_name_plural = "provider", "Own providers: answers"


class VoiceInline(ChainInline):
    role, formset = Role.TTS, chain_formset(Role.TTS)
    fields = ("position", "account", "model", "voice")
    readonly_fields = ("hear",)
    verbose_name, verbose_name_plural = "provider", "Own providers: text to speech"

    class Media:
        js = ("agents/hear.js",)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return (*self.fields, "hear") if may_try(request) else self.fields

    @admin.display(description="")
    def hear(self, member: ChainMember) -> str:
        """On the account's page. agents/hear.js makes the link follow what is not saved yet."""
        project = member.project if member.project_id else None
        url = trial_page.hear_url(
            member.account_id or 0, project=project, voice=member.voice, model=member.model
        )
        link = '<a class="text-link whitespace-nowrap" href="{}" data-hear target="_blank">{}</a>'
        return format_html(link, url, "Hear it")


@admin.register(Project)
class ProjectAdmin(MenuFields, ModelAdmin):  # type: ignore[misc]
    form = ProjectForm
    inlines = (HearingInline, AnswersInline, VoiceInline, FaqInline, PurposeInline)
    radio_fields = {"tier": admin.VERTICAL}
    change_form_template = "agents/project_form.html"
    list_display = ("name", "slug", "language", "publication", "record")
    list_select_related = ("published",)
    search_fields = ("name", "slug")
    prepopulated_fields = {"slug": ("name",)}
    readonly_fields = ("publication", "live_version", "menu_pages")
    actions_submit_line = ("publish",)
    fieldsets = (
        ("What callers hear now", {"fields": ("publication", "live_version")}),
        (None, {"fields": ("name", ("slug", "language"), "kind", "greeting")}),
        ("Telephone menu", {"fields": ("menu_pages", "menu_invalid", "digits_confirm")}),
        ("Voice and answers", {"fields": ("mode", "tier", "instructions")}),
        ("Listening", {"fields": (("vad_preset", "turn_detector"),)}),
        ("What the bot says", {
            "fields": (
                "ask_back", "silence_prompt", "silence_prompt_2", "filler", "handover", "warning",
                "goodbye", "apology",
            ),
        }),
        ("Limits and recording", {
            "fields": (
                ("silence_s", "max_call_s"), "warn_before_s", ("record", "recorder"),
                "fallback_number",
            ),
        }),
        ("Consent and pauses", {
            "fields": (
                "consent", "consent_words", "consent_refused", ("pause_key", "bot_pauses"),
                ("paused", "resumed"),
            ),
        }),
        ("Payment cards", {
            "classes": ("collapse",),
            "fields": (
                ("tokeniser_url", "tokeniser_secret", "tokeniser_ms"), "card_expiry", "card_code",
                "card_wrong", "card_wait", "card_done", "card_failed",
            ),
        }),
        ("Speed, switch by switch", {
            "classes": ("collapse",),
            "fields": (
                ("use_prewarm", "use_faq_cache", "use_filler"),
                ("use_preemptive_llm", "use_preemptive_tts", "use_eager_end"),
                ("use_expected_answer", "use_first_clause", "use_noise_suppression"),
            ),
        }),
    )  # fmt: skip

    class Media:
        css = {"all": ("agents/project.css",)}

    def formfield_for_dbfield(
        self, db_field: "models.Field[Any, Any]", request: HttpRequest, **kwargs: Any
    ) -> forms.Field | None:
        field: forms.Field | None = super().formfield_for_dbfield(db_field, request, **kwargs)
        if field and isinstance(db_field, models.TextField):
            field.widget.attrs["rows"] = 3  # what is spoken is a sentence or two
        return field

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """With what calls will run on, as far as the project is saved."""
        project = self.get_object(request, object_id) if object_id else None
        shown = {"runs_on": page.runs_on(project)} if project else {}
        response: HttpResponse = super().changeform_view(
            request, object_id, form_url, shown | (extra_context or {})
        )
        return response

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


@admin.register(PublishedPlan)
class PublishedPlanAdmin(LookOnly, ModelAdmin):  # type: ignore[misc]
    """History: look, never touch."""

    list_display = ("project", "version", "is_live", "created_at", "created_by", "digest")
    list_filter = ("project",)
    list_select_related = ("project",)
    ordering = ("-created_at", "-pk")

    @admin.display(boolean=True, description="live")
    def is_live(self, plan: PublishedPlan) -> bool:
        return plan.project.published_id == plan.pk


from agents.admin_accounts import ProviderAccountAdmin as ProviderAccountAdmin  # noqa: E402
from agents.admin_menus import MenuPageAdmin as MenuPageAdmin  # noqa: E402
from agents.admin_prices import PriceEntryAdmin as PriceEntryAdmin  # noqa: E402
