"""The doctor's page: what is wrong with the installation, and who would answer a call."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from unfold.decorators import action

from telephony import doctor, dryrun, shapes, wiring
from telephony.errors import GatewayRefused, GatewayUnavailable
from telephony.findings import Level
from telephony.models import Call


class DoctorPage:
    """A part of the trunks' admin."""

    admin_site: Any
    opts: Any

    actions_list = ("doctor",)

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
