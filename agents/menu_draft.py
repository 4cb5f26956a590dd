"""A project's menu and digits as its plan holds them, whether or not they are good."""

from django.db.models import Prefetch

from agents.menus import Menu, Option, Page, Purpose
from agents.models import DigitPurpose, MenuOption, MenuPage, Project


def menu_of(project: Project) -> Menu:
    rows = MenuPage.objects.filter(project=project).prefetch_related(
        Prefetch(
            "options", MenuOption.objects.select_related("menu", "faq", "purpose").order_by("digit")
        )
    )
    return Menu(
        pages=tuple(_page(row) for row in rows),
        invalid=project.menu_invalid,
        speech=project.kind == Project.Kind.MENU_SPEECH,
    )


def _page(row: MenuPage) -> Page:
    return Page(
        name=row.name,
        announcement=row.announcement,
        timeout_s=row.timeout_s,
        repeats=row.repeats,
        then=row.then,  # type: ignore[arg-type]
        options=tuple(_option(option) for option in row.options.all()),
    )


def _option(row: MenuOption) -> Option:
    return Option(
        digit=row.digit,
        does=row.does,  # type: ignore[arg-type]
        says=row.says.strip(),
        menu=row.menu.name if row.menu else "",
        question=row.faq.question if row.faq else "",
        purpose=row.purpose.key if row.purpose else "",
        names=tuple(name for line in row.names.splitlines() if (name := line.strip())),
    )


def purposes_of(project: Project) -> tuple[Purpose, ...]:
    fields = (
        "key",
        "ask",
        "least",
        "most",
        "secret",
        "confirm",
        "gap_s",
        "total_s",
        "card",
        "pauses",
    )
    rows = DigitPurpose.objects.filter(project=project).order_by("key").values(*fields)
    words = {True: project.digits_confirm, False: ""}
    return tuple(Purpose(**row | {"confirm": words[row["confirm"]]}) for row in rows)
