"""What workers may read: which plans are live, and a plan by its digest. No writing."""

import hmac
from collections.abc import Callable
from functools import wraps

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET

from agents.models import Project, PublishedPlan

View = Callable[..., HttpResponseBase]


def for_workers(view: View) -> View:
    """Admit only who shows the worker token; the comparison takes the same time for any guess."""

    @csrf_exempt
    @wraps(view)
    def guarded(request: HttpRequest, *args: object, **kwargs: object) -> HttpResponseBase:
        shown = request.headers.get("Authorization", "")
        wanted = f"Bearer {settings.WORKER_TOKEN}"
        if not hmac.compare_digest(shown.encode(), wanted.encode()):
            return JsonResponse({"error": "Show the worker token."}, status=401)
        return view(request, *args, **kwargs)

    return guarded


@for_workers
@require_GET
def plans(request: HttpRequest) -> HttpResponse:
    """Digests in use now, for workers to fetch ahead of the first call."""
    live = Project.objects.filter(published__isnull=False)
    digests = live.order_by("pk").values_list("published__digest", flat=True)
    return JsonResponse({"plans": list(digests)})


@for_workers
@require_GET
def plan(request: HttpRequest, digest: str) -> HttpResponse:
    """The exact text whose SHA-256 is the digest; an older plan stays readable for ever."""
    body = PublishedPlan.objects.filter(digest=digest).values_list("body", flat=True).first()
    if body is None:
        return JsonResponse({"error": f"There is no plan {digest}."}, status=404)
    return HttpResponse(body, content_type="application/json")
