"""What workers ask about plans, and which providers they shall try. Edges only."""

import base64
import hmac
import json
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_POST

from agents import presence, trials
from agents.models import Project, PublishedPlan
from agents.models_trials import MOST_SOUND

View = Callable[..., HttpResponseBase]
# a sound grows by a third on its way; the rest is words
OUTCOME_LIMIT = MOST_SOUND * 4 // 3 + 64 * 1024


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
    presence.seen(timezone.now())
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


@for_workers
@require_POST
def hand_out_trials(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"trials": trials.hand_out(now=timezone.now())})


@for_workers
@require_POST
def take_trial(request: HttpRequest, pk: int) -> HttpResponse:
    try:
        told = trials.take_outcome(trial_id=pk, outcome=_outcome(request), now=timezone.now())
    except (ValueError, RecursionError):
        return JsonResponse({"error": "The body is no outcome of a trial."}, status=400)
    except trials.NoSuchTrial:
        return JsonResponse({"error": f"There is no trial {pk}."}, status=404)
    except trials.TrialOver:
        return JsonResponse({"error": f"Nobody waits for trial {pk}."}, status=409)
    if told.error == trials.TOO_BIG:
        return JsonResponse({"error": told.error}, status=413)
    return JsonResponse({"ok": told.ok})


def _outcome(request: HttpRequest) -> trials.Outcome:
    """Raises ValueError."""
    text = request.read(OUTCOME_LIMIT + 1)
    if len(text) > OUTCOME_LIMIT:
        return trials.Outcome(ok=False, error=trials.TOO_BIG)
    said = json.loads(text)
    if not isinstance(said, dict) or not isinstance(said.get("ok"), bool):
        raise ValueError(said)
    sound = base64.b64decode(_words(said, "wav"), validate=True)
    if sound and sound[:4] + sound[8:12] != b"RIFFWAVE":
        raise ValueError("no WAV")
    return trials.Outcome(
        ok=said["ok"], ms=_ms(said), text=_words(said, "text"), error=_words(said, "error"),
        sound=sound,
    )  # fmt: skip


def _words(said: dict[str, Any], name: str) -> str:
    """What a provider says may hold anything; a database takes no NUL and no half of a letter."""
    value = said.get(name, "")
    if not isinstance(value, str):
        raise ValueError(name)
    return value.replace("\0", "").encode(errors="replace").decode()


def _ms(said: dict[str, Any]) -> int:
    value = said.get("ms")
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**31:
        raise ValueError("ms")
    return value
