"""Pages by what a supervisor does with them, not by the app which holds them.

Both the sidebar and the first page show them so, to each user those which its admin lets him see.
tests/contactcenter/test_sidebar.py fails when a new page is named nowhere here.
"""

from collections.abc import Callable, Iterator
from typing import Any

from django.apps import apps
from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.text import capfirst

GROUPS: dict[str, tuple[str, ...]] = {
    "Calls": (
        "telephony.call", "recordings.review", "recordings.spokenturn", "telephony.destination",
        "telephony.transferorder",
    ),
    "Bots": (
        "agents.project", "agents.menupage", "agents.publishedplan", "agents.provideraccount",
        "recordings.aftercall",
    ),
    "Lines": (
        "telephony.trunk", "telephony.number", "telephony.dispatchrule", "telephony.schedule",
        "telephony.callerrule", "telephony.ingress", "telephony.carrierhook",
        "telephony.carriercall",
    ),
    "Outbound": (
        "telephony.outboundcall", "telephony.batch", "telephony.outboundprofile",
        "telephony.destinationrule", "telephony.donotcall",
    ),
    "Recordings": ("recordings.recordingprofile", "recordings.store"),
    "Privacy": (
        "recordings.redactionrules", "recordings.audiomask", "recordings.keeprule",
        "telephony.legalhold", "recordings.callerrequest", "recordings.accesslog",
    ),
    "Figures": (
        "recordings.hourfigure", "recordings.turnfigure", "recordings.callcost",
        "recordings.monthlycost", "recordings.projectbudget", "recordings.ownservers",
        "agents.priceentry",
    ),
    "Store": ("recordings.storecheck", "recordings.storefinding", "recordings.export"),
    "Users and programs": (
        "auth.user", "auth.group", "telephony.projectlimit", "telephony.apikey",
        "telephony.subscription", "telephony.delivery", "telephony.inboundevent",
    ),
}  # fmt: skip
TITLES = {"telephony.destination": "Transfer destinations"}  # there are allowed ones too


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """In Unfold's form. Not collapsible: Unfold opens groups for the mouse only."""
    return [{"title": title, "items": list(_items(pages))} for title, pages in GROUPS.items()]


def first_page(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """The list of all pages in the same groups."""
    apps_shown = context.get("app_list", [])
    shown = {
        model["model"]._meta.label_lower: model for app in apps_shown for model in app["models"]
    }
    for label, title in TITLES.items():
        if label in shown:
            shown[label] = {**shown[label], "name": title}
    groups = [
        {"name": title, "app_label": title, "models": [shown[p] for p in pages if p in shown]}
        for title, pages in GROUPS.items()
    ]
    return {**context, "app_list": [group for group in groups if group["models"]]}


def _items(pages: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    for label in pages:
        title = TITLES.get(label) or capfirst(apps.get_model(label)._meta.verbose_name_plural)
        link = reverse(f"admin:{label.replace('.', '_')}_changelist")
        yield {"title": title, "link": link, "permission": _permission(label)}


def _permission(label: str) -> Callable[[HttpRequest], bool]:
    """A plain function: Unfold makes deep copies of the whole."""
    return lambda request: _may_see(label, request)


def _may_see(label: str, request: HttpRequest) -> bool:
    pages = admin.site.get_model_admin(apps.get_model(label))
    return pages.has_view_permission(request)
