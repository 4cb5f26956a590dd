"""The parts of the call page which are about reviewing it."""

from typing import Any

from django import template
from django.middleware.csrf import get_token
from django.utils import timezone

from recordings import markers, review_page, storage
from recordings.reading import CallPage, may

register = template.Library()
QUEUE = "review_queue"  # of the session


@register.simple_tag(takes_context=True)
def conversation(context: dict[str, Any], page: CallPage) -> list[review_page.Row]:
    return review_page.rows(page, remarks=_sees_reviews(context))


@register.simple_tag
def link_lifetime() -> int:
    """Seconds."""
    return storage.PLAY_LINK_S


@register.inclusion_tag("recordings/review_marks.html", takes_context=True)
def review_marks(context: dict[str, Any], page: CallPage) -> dict[str, Any]:
    found = review_page.marks(page, remarks=_sees_reviews(context))
    kinds = {marker.kind for marker in found}
    titles = [(kind, title) for kind, title in markers.KINDS.items() if kind in kinds]
    return {"marks": found, "kinds": titles, "page": page}


@register.simple_tag(takes_context=True)
def shape_url(context: dict[str, Any], page: CallPage) -> str:
    return review_page.shape_url(page, context["request"].user, context.get("token", ""))


@register.inclusion_tag("recordings/review_panel.html", takes_context=True)
def review_panel(context: dict[str, Any], page: CallPage) -> dict[str, Any]:
    """Empty in a fragment: what somebody is typing here is never replaced."""
    request = context["request"]
    name = getattr(request.resolver_match, "view_name", "")
    if name == "recordings:fragment" or context.get("shared"):
        return {"panel": None}
    return panel_context(request, page.call)


def panel_context(request: Any, call: Any, **more: Any) -> dict[str, Any]:
    panel = review_page.panel(
        call=call, viewer=request.user, wish=request.session.get(QUEUE, {}), now=timezone.now()
    )
    return {"panel": panel, "request": request, "csrf_token": get_token(request)} | more


def _sees_reviews(context: dict[str, Any]) -> bool:
    request = context.get("request")
    return request is not None and may(request.user, "recordings.view_review")
