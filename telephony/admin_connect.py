"""“Connect a number”: carrier, number, project, review; then how it goes, and a test."""

from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from unfold.decorators import action

from agents.models import Project
from telephony import connect, connect_page, tasks, testline
from telephony.carriers_known import CARRIERS
from telephony.connect import Line
from telephony.forms_connect import CarrierStep, NumberStep, ProjectStep
from telephony.later import after_commit
from telephony.models import Number, Trunk

KEY = "connect"  # in the session: what was answered so far; the password is sealed
STEPS = {"carrier": "Carrier", "number": "Number", "project": "Project", "review": "Review"}
SHOWN = timedelta(minutes=10)  # calls older than this belong to another attempt
NEEDED = ("telephony.add_trunk", "telephony.add_number", "telephony.add_dispatchrule")


class ConnectPages:
    """A part of the trunks' admin."""

    admin_site: Any
    opts: Any

    @action(  # type: ignore[untyped-decorator]
        description="Connect a number", url_path="connect", icon="add_call", permissions=["add"]
    )
    def connect(self, request: HttpRequest) -> HttpResponse:
        _guard(request)
        request.session.pop(KEY, None)
        return _to("carrier")

    def get_urls(self) -> list[URLPattern]:
        guarded = self.admin_site.admin_view
        own = [
            path("connect/done/<int:pk>/", guarded(self.done), name="telephony_connect_done"),
            path("connect/done/<int:pk>/state/", guarded(state), name="telephony_connect_state"),
            path("connect/<slug:step>/", guarded(self.step), name="telephony_connect_step"),
        ]
        return [*own, *super().get_urls()]  # type: ignore[misc]

    def step(self, request: HttpRequest, step: str) -> HttpResponse:
        _guard(request)
        if step not in STEPS:
            raise Http404
        line = _line(request)
        if step != _furthest(line, step):
            return _to(_furthest(line, step))
        if step == "review":
            return _review(self, request, line)
        form = _form(step, line, request)
        if request.method == "POST" and form.is_valid():
            _keep(request, step, form, line)
            return _to(list(STEPS)[list(STEPS).index(step) + 1])
        return self.page(request, step, line, {"form": form})

    def page(
        self, request: HttpRequest, step: str, line: Line, more: dict[str, Any]
    ) -> HttpResponse:
        names = list(STEPS)
        at = names.index(step)
        context = self.admin_site.each_context(request) | {
            "title": "Connect a number",
            "opts": self.opts,
            "step": step,
            "steps": [{"name": STEPS[n], "is_now": n == step, "is_done": i < at}
                      for i, n in enumerate(names)],
            "back": reverse("admin:telephony_connect_step", args=[names[at - 1]]) if at else "",
            "carrier": CARRIERS.get(line.carrier) if at else None,
            "told": connect.told(line) if at and line.carrier in CARRIERS else None,
            "hindrance": connect.hindrance(line.known) if at and line.carrier in CARRIERS else "",
            **more,
        }  # fmt: skip
        return TemplateResponse(request, "telephony/connect.html", context)

    def done(self, request: HttpRequest, pk: int) -> HttpResponse:
        """How it goes; asks for itself until calls have come."""
        _guard(request)
        number = get_object_or_404(Number.objects.select_related("trunk"), pk=pk)
        since = timezone.now() - SHOWN
        context = self.admin_site.each_context(request) | {
            "title": f"{number}", "opts": self.opts, "number": number, "since": since.isoformat(),
            "told": connect_page.told(number), "carrier": CARRIERS.get(number.trunk.template),
            "hindrance": connect_page.hindrance(number),
            **connect_page.state(number, since),
        }  # fmt: skip
        return TemplateResponse(request, "telephony/connect_done.html", context)


def state(request: HttpRequest, pk: int) -> HttpResponse:
    """The part of that page which changes."""
    _guard(request)
    number = get_object_or_404(Number.objects.select_related("trunk"), pk=pk)
    try:
        since = datetime.fromisoformat(request.GET.get("since", ""))
        shown = connect_page.state(number, since)
    except (ValueError, TypeError) as reason:
        raise Http404 from reason
    return render(request, "telephony/connect_state.html", {"number": number, **shown})


def _review(pages: ConnectPages, request: HttpRequest, line: Line) -> HttpResponse:
    if request.method == "POST":
        try:
            number = connect.create(line)
        except IntegrityError:
            messages.error(request, f"{line.e164} was connected by somebody else meanwhile.")
            return _to("number")
        request.session.pop(KEY, None)
        testline.remember_asked(timezone.now())
        after_commit(tasks.test_call.delay)
        return redirect(reverse("admin:telephony_connect_done", args=[number.pk]))
    trunk = connect.reusable(line)
    more = {
        "line": line, "trunk": trunk, "rule": connect.answering(trunk),
        "project": get_object_or_404(Project, pk=line.project_id),
        "encryption": dict(Trunk.Encryption.choices)[line.encryption],
    }  # fmt: skip
    return pages.page(request, "review", line, more)


def _guard(request: HttpRequest) -> None:
    if not request.user.has_perms(NEEDED):
        raise PermissionDenied


def _to(step: str) -> HttpResponse:
    return redirect(reverse("admin:telephony_connect_step", args=[step]))


def _line(request: HttpRequest) -> Line:
    kept = request.session.get(KEY) or {}
    kept = {**kept, "addresses": tuple(kept.get("addresses", ()))}
    return Line(**({"carrier": "", "e164": ""} | kept))


def _furthest(line: Line, step: str) -> str:
    """The step itself, or the first one before it which was not answered."""
    if step != "carrier" and line.carrier not in CARRIERS:
        return "carrier"
    if step in {"project", "review"} and not line.e164:
        return "number"
    if step == "review" and not Project.objects.filter(pk=line.project_id).exists():
        return "project"
    return step


def _form(step: str, line: Line, request: HttpRequest) -> Any:
    data = request.POST if request.method == "POST" else None
    if step == "carrier":
        return CarrierStep(data, initial={"carrier": line.carrier or "twilio"})
    if step == "project":
        return ProjectStep(data, initial={"project": line.project_id or None})
    carrier = line.known
    initial = {
        "e164": line.e164, "label": line.label, "username": line.username,
        "addresses": list(line.addresses) if line.e164 else carrier.addresses(),
        "encryption": line.encryption if line.e164 else carrier.encryption,
    }  # fmt: skip
    has_password = bool(line.sealed_password)
    return NumberStep(carrier, has_password=has_password, data=data, initial=initial)


def _keep(request: HttpRequest, step: str, form: Any, line: Line) -> None:
    kept = asdict(line) | {"addresses": list(line.addresses)}
    data = form.cleaned_data
    if step == "carrier" and data["carrier"] != line.carrier:
        kept = {"carrier": data["carrier"], "e164": ""}
    elif step == "number":
        kept |= {name: data[name] for name in ("e164", "label", "addresses", "encryption")}
        kept["username"] = data.get("username", "")
        kept["sealed_password"] = form.sealed(line.sealed_password)
    elif step == "project":
        kept["project_id"] = data["project"].pk
    request.session[KEY] = kept
