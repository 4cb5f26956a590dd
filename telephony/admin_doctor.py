"""The doctor's page: what is wrong with the installation, and who would answer a call."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from unfold.decorators import action

from telephony import doctor, dryrun, shapes, tasks, testline, wiring
from telephony.doctor import Level
from telephony.errors import GatewayRefused, GatewayUnavailable
from telephony.later import after_commit
from telephony.models import Call


class DoctorPage:
    """A part of the trunks' admin."""

    admin_site: Any
    opts: Any

    def get_urls(self) -> list[URLPattern]:
        guarded = self.admin_site.admin_view
        own = [path("doctor/testcall/", guarded(test_call), name="telephony_testcall")]
        return [*own, *super().get_urls()]  # type: ignore[misc]

    @action(  # type: ignore[untyped-decorator]
        description="Doctor", url_path="doctor", icon="stethoscope", permissions=["view"]
    )
    def doctor(self, request: HttpRequest) -> HttpResponse:
        """Asks LiveKit, SIP and Redis while the page is made: a second, or some if one is away."""
        context = self.admin_site.each_context(request) | {
            "title": "Doctor",
            "opts": self.opts,
            "called": request.GET.get("called", ""),
            "address": request.GET.get("address", ""),
            "answer": _dry_run(request),
            "refused": [_line(call) for call in doctor.refused()],
            **_findings(),
        }
        return TemplateResponse(request, "telephony/doctor.html", context)


def test_call(request: HttpRequest) -> HttpResponse:
    """Asks for a test call; the page it came from shows how it goes."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    if not request.user.has_perm("telephony.change_trunk"):
        raise PermissionDenied
    testline.remember_asked(timezone.now())
    after_commit(tasks.test_call.delay)
    number = request.POST.get("number", "")
    if number.isdecimal():
        return redirect(reverse("admin:telephony_connect_done", args=[int(number)]))
    return redirect(f"{reverse('admin:telephony_trunk_doctor')}#doc-test")


def _dry_run(request: HttpRequest) -> dryrun.Answer | None:
    called, address = request.GET.get("called", "").strip(), request.GET.get("address", "")
    if not called:
        return None
    try:
        return dryrun.ask(called=called, address=address, gateway=wiring.gateway())
    except (shapes.Misshapen, GatewayUnavailable, GatewayRefused) as trouble:
        messages.error(request, str(trouble))
        return None


def _line(call: Call) -> dict[str, Any]:
    return {
        "call": call,
        "caller": shapes.readable(call.caller),
        "called": shapes.readable(call.called),
        "why": call.get_end_reason_display() or "Nobody knows why.",
    }


def _findings() -> dict[str, Any]:
    found = doctor.examine(gateway=wiring.gateway(), now=timezone.now())
    return {
        "findings": found,
        "problems": sum(finding.level == Level.PROBLEM for finding in found),
        "warnings": sum(finding.level == Level.WARNING for finding in found),
    }
