"""What a supervisor may do to a running call: send it elsewhere, or end it. Both ask first."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone

from telephony import directory, endings, transfers
from telephony.errors import TransferNotAllowed
from telephony.models import Call, Destination
from telephony.visible import within_projects

MAY = "telephony.change_call"


class CallControls:
    """A part of the calls' admin."""

    admin_site: Any
    opts: Any

    def get_urls(self) -> list[Any]:
        wrap = self.admin_site.admin_view
        return [
            path("<int:pk>/hang-up/", wrap(self.hang_up), name="telephony_call_hang_up"),
            path("<int:pk>/transfer/", wrap(self.transfer), name="telephony_call_transfer"),
            *super().get_urls(),  # type: ignore[misc]
        ]

    def hang_up(self, request: HttpRequest, pk: int) -> HttpResponse:
        call = _call(request, pk)
        if request.method == "POST":
            if endings.hang_up(call_id=pk, by=request.user.get_username(), now=timezone.now()):
                messages.success(request, "The call is being ended.")
            else:
                messages.info(request, "The call was over already.")
            return redirect(_page(pk))
        return self._ask(request, call, "telephony/call_hang_up.html", {"title": "End the call?"})

    def transfer(self, request: HttpRequest, pk: int) -> HttpResponse:
        call = _call(request, pk)
        if request.method == "POST" and _transfer(request, pk):
            return redirect(_page(pk))
        now = timezone.now()
        rows = Destination.objects.filter(enabled=True).select_related("schedule")
        found = [(row, directory.is_open(row, now)) for row in rows]
        more = {"title": "Send the caller where?", "found": found}
        return self._ask(request, call, "telephony/call_transfer.html", more)

    def _ask(
        self, request: HttpRequest, call: Call, template: str, more: dict[str, Any]
    ) -> HttpResponse:
        if request.method not in {"GET", "HEAD", "POST"}:
            return HttpResponseNotAllowed(["GET", "HEAD", "POST"])
        if call.ended_at is not None:
            messages.info(request, "The call is over already.")
            return redirect(_page(call.pk))
        context = self.admin_site.each_context(request)
        context |= {"opts": self.opts, "call": call, "back": _page(call.pk)} | more
        return TemplateResponse(request, template, context)


def _call(request: HttpRequest, pk: int) -> Call:
    if not request.user.has_perm(MAY):
        raise PermissionDenied
    return get_object_or_404(Call.objects.filter(within_projects(request.user)), pk=pk)


def _transfer(request: HttpRequest, pk: int) -> bool:
    chosen = request.POST.get("destination", "")
    if not chosen.isdecimal() or len(chosen) > 9:
        messages.error(request, "Nobody was chosen. Choose a destination of the directory.")
        return False
    try:
        transfers.transfer(
            call_id=pk, destination_id=int(chosen), by=request.user.get_username(),
            now=timezone.now(),
        )  # fmt: skip
    except TransferNotAllowed as reason:
        messages.error(request, str(reason))
        return False
    messages.success(request, "The caller is being put through. This page follows it.")
    return True


def _page(pk: int) -> str:
    return reverse("admin:telephony_call_change", args=[pk])
