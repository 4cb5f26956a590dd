"""The doctor's page: what is wrong with the installation, and who would answer a call."""

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import get_object_or_404, redirect, render
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.http import urlencode
from unfold.decorators import action

from telephony import doctor, dryrun, shapes, tasks, testline, wiring
from telephony.doctor import Level, Scope
from telephony.errors import GatewayRefused, GatewayUnavailable
from telephony.gateway import Gateway
from telephony.later import after_commit
from telephony.models import Call, Number, Trunk
from telephony.seen import once
from telephony.siplog import Refusal


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
        gateway, scope = once(wiring.gateway()), _scope(request)
        context = self.admin_site.each_context(request) | {
            "title": "Doctor",
            "opts": self.opts,
            "scope": scope,
            "called": request.GET.get("called", ""),
            "address": request.GET.get("address", ""),
            "caller": request.GET.get("caller", ""),
            "answer": _dry_run(request, gateway),
            "refused": [_line(call) for call in doctor.refused(scope=scope)],
            "unseen": [_unseen(refusal) for refusal in doctor.refused_unseen(scope=scope)],
            "reads_log": bool(settings.SIP_LOG),
            "last_test": testline.last(),
            **_findings(gateway, scope),
        }
        return TemplateResponse(request, "telephony/doctor.html", context)

    @action(  # type: ignore[untyped-decorator]
        description="Doctor", url_path="doctor-of", icon="stethoscope", permissions=["view"]
    )
    def doctor_of(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """From the page of one trunk."""
        return redirect(f"{reverse('admin:telephony_trunk_doctor')}?trunk={object_id}")


class OfOneNumber:
    """A part of the numbers' admin: the ways to the guide and to the doctor."""

    actions_list = ("connect",)
    actions_detail = ("doctor_of",)

    @action(  # type: ignore[untyped-decorator]
        description="Connect a number", url_path="connect", icon="add_call", permissions=["add"]
    )
    def connect(self, request: HttpRequest) -> HttpResponse:
        return redirect(reverse("admin:telephony_trunk_connect"))

    @action(  # type: ignore[untyped-decorator]
        description="Doctor", url_path="doctor-of", icon="stethoscope", permissions=["view"]
    )
    def doctor_of(self, request: HttpRequest, object_id: int) -> HttpResponse:
        number = get_object_or_404(Number, pk=object_id)
        asked = urlencode({"number": number.e164})
        return redirect(f"{reverse('admin:telephony_trunk_doctor')}?{asked}")


def _scope(request: HttpRequest) -> Scope | None:
    """One trunk (its id), or one number. Whatever is neither is the whole installation."""
    trunk, number = request.GET.get("trunk", ""), request.GET.get("number", "")
    if number:
        row = Number.objects.filter(e164=number).select_related("trunk").first()
        return Scope(trunk=row.trunk, number=row) if row else None
    found = Trunk.objects.filter(pk=int(trunk)).first() if trunk.isdecimal() else None
    return Scope(trunk=found) if found else None


def test_call(request: HttpRequest) -> HttpResponse:
    """POST asks for a test call; GET tells how it goes."""
    if request.method not in {"GET", "POST"}:
        return HttpResponseNotAllowed(["GET", "POST"])
    needed = "change" if request.method == "POST" else "view"
    if not request.user.has_perm(f"telephony.{needed}_trunk"):
        raise PermissionDenied
    if request.method == "GET":
        last = {"last_test": testline.last()}
        return render(request, "telephony/testcall_state.html", last)
    testline.remember_asked(timezone.now())
    after_commit(tasks.test_call.delay)
    number = request.POST.get("number", "")
    if number.isdecimal():
        return redirect(reverse("admin:telephony_connect_done", args=[int(number)]))
    return redirect(f"{reverse('admin:telephony_trunk_doctor')}#doc-test")


def _dry_run(request: HttpRequest, gateway: Gateway) -> dryrun.Answer | None:
    called, address = request.GET.get("called", "").strip(), request.GET.get("address", "")
    caller = request.GET.get("caller", "")
    if not called:
        return None
    try:
        return dryrun.ask(called=called, address=address, gateway=gateway, caller=caller)
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


def _unseen(refusal: Refusal) -> dict[str, Any]:
    return {
        "refusal": refusal,
        "caller": shapes.readable(refusal.caller),
        "called": shapes.readable(refusal.called),
    }


def _findings(gateway: Gateway, scope: Scope | None) -> dict[str, Any]:
    found = doctor.examine(gateway=gateway, now=timezone.now(), scope=scope)
    return {
        "findings": found,
        "problems": sum(finding.level == Level.PROBLEM for finding in found),
        "warnings": sum(finding.level == Level.WARNING for finding in found),
    }
