"""What workers ask about finished calls, and what they bring. Edges only."""

from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.http import require_POST

from agents.internal import for_workers
from recordings import analyses, tasks, wiring
from recordings.internal import BadRequest, parsed
from telephony.later import after_commit

# twenty thousand turns of a call of three hours, in words and JSON
LIMIT = 16 * 1024**2


@for_workers
@require_POST
def hand_out(request: HttpRequest) -> HttpResponse:
    found = analyses.hand_out(now=timezone.now(), bucket=wiring.bucket())
    return JsonResponse({"analyses": found})


@for_workers
@require_POST
def give_back(request: HttpRequest, pk: int) -> HttpResponse:
    return JsonResponse({"given_back": analyses.give_back(analysis_id=pk, now=timezone.now())})


@for_workers
@require_POST
def take(request: HttpRequest, pk: int) -> HttpResponse:
    try:
        told = _told(parsed(request, LIMIT))
        call_id = analyses.take_outcome(analysis_id=pk, told=told, now=timezone.now())
    except BadRequest as reason:
        return JsonResponse({"error": str(reason)}, status=400)
    except analyses.NoSuchAnalysis:
        return JsonResponse({"error": f"There is no analysis {pk}."}, status=404)
    except analyses.AnalysisOver:
        return JsonResponse({"error": f"Nobody waits for analysis {pk}."}, status=409)
    after_commit(tasks.after_call.delay, call_id=call_id)
    return JsonResponse({"ok": told.ok})


def _told(body: dict[str, Any]) -> analyses.Told:
    turns, usage, ok = body.get("turns", []), body.get("usage", {}), body.get("ok")
    is_shaped = isinstance(turns, list) and all(isinstance(turn, dict) for turn in turns)
    if not isinstance(ok, bool) or not is_shaped or not isinstance(usage, dict):
        raise BadRequest("The body is no outcome of an analysis.")
    names = ("text", "error", "provider", "model", "account")
    words = {name: body.get(name, "") for name in names}
    if not all(isinstance(value, str) for value in words.values()):
        raise BadRequest("The body is no outcome of an analysis.")
    return analyses.Told(ok=ok, turns=tuple(turns), usage=usage, **words)
