"""Telephone menus: a page for each, a preview of the whole tree, and the links from the project."""

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db import models
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin, StackedInline

from agents.menu_draft import menu_of, purposes_of
from agents.menus import Menu, menu_problems, outline
from agents.models import DigitPurpose, FaqEntry, MenuOption, MenuPage, Project


class _Short:
    """A part of an admin: what is spoken is a sentence or two."""

    def formfield_for_dbfield(
        self, db_field: "models.Field[Any, Any]", request: HttpRequest, **kwargs: Any
    ) -> forms.Field | None:
        field: forms.Field | None = super().formfield_for_dbfield(  # type: ignore[misc]
            db_field, request, **kwargs
        )
        if field and isinstance(db_field, models.TextField):
            field.widget.attrs["rows"] = 3
        return field


class PurposeInline(_Short, StackedInline):  # type: ignore[misc]
    """On the page of a project."""

    model = DigitPurpose
    fields = (
        "key",
        "ask",
        ("least", "most"),
        ("gap_s", "total_s"),
        ("secret", "confirm"),
        ("card", "pauses"),
    )
    extra = 0


class MenuFields:
    """A part of the projects' admin: its menus."""

    @admin.display(description="Menus")
    def menu_pages(self, project: Project) -> str:
        if project.pk is None:
            return "Save the project first."
        links = format_html_join(
            ", ",
            '<a class="text-link" href="{}">{}</a>',
            (
                (reverse("admin:agents_menupage_change", args=[pk]), name)
                for pk, name in project.menus.values_list("pk", "name")
            ),
        )
        add = f"{reverse('admin:agents_menupage_add')}?project={project.pk}"
        new = format_html('<a class="text-link" href="{}">Add a menu</a>', add)
        return format_html("<p>{} · {}</p>{}", links or "None yet", new, preview(project))


def preview(project: Project) -> SafeString:
    """The tree as text, and what is wrong with it."""
    menu = menu_of(project)
    if not menu.pages:
        return SafeString("")
    problems = format_html_join("", "<li>{}</li>", ((text,) for text in _problems(project, menu)))
    return format_html(
        '<pre class="menu-outline" tabindex="0">{}</pre><ul class="menu-problems">{}</ul>',
        outline(menu),
        problems,
    )


def _problems(project: Project, menu: Menu) -> list[str]:
    questions = set(project.faq.values_list("question", flat=True))
    return list(menu_problems(menu, questions, {one.key for one in purposes_of(project)}))


class OptionForm(forms.ModelForm):  # type: ignore[type-arg]
    def clean(self) -> dict[str, Any]:
        """Only rows of the menu's own project; the lists offer no others."""
        data = super().clean() or self.cleaned_data
        page = data.get("page")
        for name in ("menu", "faq", "purpose"):
            chosen = data.get(name)
            if page and page.project_id and chosen and chosen.project_id != page.project_id:
                self.add_error(name, ValidationError("This belongs to another project."))
        return data


class OptionInline(_Short, StackedInline):  # type: ignore[misc]
    model = MenuOption
    fk_name = "page"
    form = OptionForm
    fields = (("digit", "does"), ("menu", "purpose"), "faq", "says", "names")
    ordering = ("digit",)
    extra = 0

    def formfield_for_foreignkey(
        self, db_field: "models.ForeignKey[Any, Any]", request: HttpRequest, **kwargs: Any
    ) -> Any:
        project = _project_of(request)
        rows: dict[str, models.QuerySet[Any]] = {
            "menu": MenuPage.objects.filter(project=project),
            "faq": FaqEntry.objects.filter(project=project).order_by("position", "pk"),
            "purpose": DigitPurpose.objects.filter(project=project),
        }
        if db_field.name in rows:
            kwargs["queryset"] = rows[db_field.name]
        return super().formfield_for_foreignkey(db_field, request, **kwargs)


def _project_of(request: HttpRequest) -> int | None:
    """Whose menu is edited: the row's, or the one named in the address of a new one."""
    match = request.resolver_match
    page = match.kwargs.get("object_id", "") if match else ""
    if page.isdecimal():
        return MenuPage.objects.filter(pk=page).values_list("project_id", flat=True).first()
    named = request.POST.get("project") or request.GET.get("project", "")
    return int(named) if named.isdecimal() and len(named) < 19 else None


@admin.register(MenuPage)
class MenuPageAdmin(_Short, ModelAdmin):  # type: ignore[misc]
    inlines = (OptionInline,)
    list_display = ("name", "project", "position", "announcement_short")
    list_filter = ("project",)
    list_select_related = ("project",)
    search_fields = ("name", "announcement")
    ordering = ("project", "position", "pk")
    readonly_fields = ("tree",)
    fieldsets = (
        (None, {"fields": ("project", ("name", "position"), "announcement")}),
        ("When no key comes", {"fields": (("timeout_s", "repeats"), "then")}),
        ("All menus of this project", {
            "fields": ("tree",),
            "description": "As saved. Callers hear it once the project is published.",
        }),
    )  # fmt: skip

    class Media:
        css = {"all": ("agents/project.css",)}

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """A menu stays with its project: its keys lead to rows of it."""
        return ("project", "tree") if obj else ("tree",)

    @admin.display(description="Tree")
    def tree(self, page: MenuPage) -> str:
        if page.pk is None:
            return "Save the menu first."
        back = reverse("admin:agents_project_change", args=[page.project_id])
        link = '<p><a class="text-link" href="{}">Project {}</a></p>{}'
        return format_html(link, back, page.project.name, preview(page.project))

    @admin.display(description="announcement")
    def announcement_short(self, page: MenuPage) -> str:
        text = " ".join(page.announcement.split())
        return text if len(text) <= 80 else f"{text[:79]}…"
