"""What a supervisor's browser asks about what was found out: to find it out again."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from recordings import after, reading, tasks
from telephony.later import after_commit
from telephony.models import Call


@require_POST
@login_required
def again(request: HttpRequest, pk: int) -> HttpResponse:
    """All steps of a call which is over, with its project's settings of today."""
    if not reading.may(request.user, "recordings.change_callinsight"):
        raise PermissionDenied
    call = get_object_or_404(Call, pk=pk, ended_at__isnull=False)
    with transaction.atomic():
        after.begin(call_id=call.pk, now=timezone.now())
        after_commit(tasks.after_call.delay, call_id=call.pk)
    messages.success(request, "It is found out again. This page shows it when you load it again.")
    return HttpResponseRedirect(reverse("admin:telephony_call_change", args=[call.pk]))
