"""After the call, in the admin: what a project wants to know of each call, and by whom."""

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.db.models import F
from django.http import HttpRequest
from unfold.admin import ModelAdmin, StackedInline
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from agents.models import ProviderAccount
from agents.providers import PROVIDERS, Role
from recordings import after_patterns
from recordings.after_wants import CHOSEN, STEPS, lines
from recordings.models_after import AfterCall, Disposition, ExtractedField, QualityCriterion

ABOUT = (
    "Once a call is over, this is found out about it. Text which goes to a language model is "
    "redacted first; telephone numbers and e-mail addresses are always found by rules. "
    "What changes here counts for calls from now on, and for those you find out again."
)


class AfterCallForm(forms.ModelForm):  # type: ignore[type-arg]
    steps = forms.MultipleChoiceField(
        label="What is found out", required=False, widget=UnfoldAdminCheckboxSelectMultipleWidget,
        choices=[(name, STEPS[name]) for name in CHOSEN],
    )  # fmt: skip

    class Meta:
        model = AfterCall
        fields = ("project", "steps", "engine", "retranscribe_with")


class ExtractedFieldForm(forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        model = ExtractedField
        fields = (
            "name", "type", "position", "description", "choices", "words", "pattern",
        )  # fmt: skip

    def clean_pattern(self) -> str:
        pattern: str = self.cleaned_data["pattern"]
        if pattern and (problem := after_patterns.problem(pattern)):
            raise ValidationError(problem)
        return pattern

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if cleaned.get("type") == "choice" and not lines(cleaned.get("choices", "")):
            self.add_error("choices", "Write what there is to choose from, one a line.")
        return cleaned


class QualityCriterionForm(forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        model = QualityCriterion
        fields = ("text", "weight", "position", "rule", "words")

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if cleaned.get("rule", "").startswith("bot_") and not lines(cleaned.get("words", "")):
            self.add_error("words", "Write the words this rule looks for, one a line.")
        return cleaned


class DispositionInline(StackedInline):  # type: ignore[misc]
    model = Disposition
    fields = (("name", "end_reason", "position"), "description", "words")
    extra = 0


class FieldInline(StackedInline):  # type: ignore[misc]
    model = ExtractedField
    form = ExtractedFieldForm
    fields = (("name", "type", "position"), "description", "choices", "words", "pattern")
    extra = 0


class CriterionInline(StackedInline):  # type: ignore[misc]
    model = QualityCriterion
    form = QualityCriterionForm
    fields = (("text", "weight", "position"), "rule", "words")
    extra = 0


@admin.register(AfterCall)
class AfterCallAdmin(ModelAdmin):  # type: ignore[misc]
    when_empty = (
        "Calls are understood by rules: summary, disposition by how they ended, sentiment, "
        "resolved or not, follow-ups. Add a project to name dispositions, fields and quality "
        "criteria, or to ask its language models."
    )
    form = AfterCallForm
    inlines = (DispositionInline, FieldInline, CriterionInline)
    list_display = ("project_name", "by", "wanted", "again", "version")
    list_select_related = ("project", "retranscribe_with")
    ordering = ("project__name",)
    fieldsets = (
        (None, {"description": ABOUT, "fields": ("project", "steps", "engine")}),
        ("Recording", {"fields": ("retranscribe_with",)}),
    )

    @admin.display(description="project", ordering="project__name")
    def project_name(self, row: AfterCall) -> str:
        return row.project.name

    @admin.display(description="by")
    def by(self, row: AfterCall) -> str:
        return "models, else rules" if row.engine == AfterCall.Engine.CHAIN else "rules"

    @admin.display(description="finds out")
    def wanted(self, row: AfterCall) -> str:
        return ", ".join(STEPS[name].lower() for name in CHOSEN if name in row.steps) or "nothing"

    @admin.display(description="transcribed again with", empty_value="–")
    def again(self, row: AfterCall) -> str:
        return row.retranscribe_with.name if row.retranscribe_with else ""

    def formfield_for_foreignkey(
        self, db_field: "models.ForeignKey[Any, Any]", request: HttpRequest, **kwargs: Any
    ) -> Any:
        if db_field.name == "retranscribe_with":
            hearing = [p.slug for p in PROVIDERS.values() if p.role is Role.STT and not p.embedded]
            accounts = ProviderAccount.objects.filter(provider__in=hearing).order_by("name")
            kwargs["queryset"] = accounts
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    @transaction.atomic
    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Each result says by which version of these settings it was found."""
        super().save_related(request, form, formsets, change)
        if change and (form.has_changed() or any(one.has_changed() for one in formsets)):
            AfterCall.objects.filter(pk=form.instance.pk).update(version=F("version") + 1)
