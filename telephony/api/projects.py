"""Projects: their texts and FAQ, and going live. Providers are shown, and chosen in the admin."""

from datetime import datetime
from typing import Annotated, Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone
from ninja import Query, Router, Schema
from pydantic import Field

from agents import services
from agents.forms import ProjectForm
from agents.models import FaqEntry, Project
from telephony.api.errors import Detail, Problem, missing
from telephony.api.paging import Id, Page, Paging, listed
from telephony.api.security import by, needs
from telephony.api.trunks import Short
from telephony.api.writing import creating, form_data, require_valid

router = Router(tags=["Projects"])
Text = Annotated[str, Field(max_length=20_000)]
Seconds = Annotated[int, Field(ge=0, le=100_000)]


class ProjectTexts(Schema):
    name: str
    language: str
    greeting: str
    instructions: str
    ask_back: str
    apology: str
    handover: str
    goodbye: str
    silence_prompt: str
    filler: str
    silence_s: int
    max_call_s: int
    fallback_number: str
    record: bool


class ProjectChange(Schema, extra="forbid"):
    """What is left out stays as it is. Callers hear it once the project is published."""

    name: Short | None = None
    language: Short | None = None
    greeting: Text | None = None
    instructions: Text | None = None
    ask_back: Text | None = None
    apology: Text | None = None
    handover: Text | None = None
    goodbye: Text | None = None
    silence_prompt: Text | None = None
    filler: Text | None = None
    silence_s: Seconds | None = None
    max_call_s: Seconds | None = None
    fallback_number: Short | None = None
    record: bool | None = None


class ProjectIn(ProjectChange, extra="forbid"):
    slug: Short = Field(description="Letters, digits, - and _; it does not change.")
    name: Short
    greeting: Text


class Faq(Schema, extra="forbid"):
    question: Annotated[str, Field(max_length=300)]
    variants: Annotated[list[Short], Field(max_length=200)] = []
    answer: Text
    live: bool = Field(False, description="Needs live data: never answered from the cache.")
    digit: Annotated[str, Field(max_length=1)] = ""


class FaqList(Schema, extra="forbid"):
    items: Annotated[list[Faq], Field(max_length=500)]


class Provider(Schema):
    role: str
    account: str
    model: str
    voice: str


class Published(Schema):
    version: int
    digest: str
    at: datetime
    by: str


class ProjectOut(ProjectTexts):
    id: int
    slug: str
    published: Published | None
    providers: list[Provider] = Field(description="Its own; empty: the environment decides.")


class ProjectDetail(ProjectOut):
    has_unpublished_changes: bool
    faq: list[Faq]


class Projects(Page):
    items: list[ProjectOut]


def _rows() -> Any:
    return Project.objects.select_related("published").prefetch_related("members__account")


def _fields(project: Project) -> dict[str, Any]:
    plan = project.published
    return {name: getattr(project, name) for name in ProjectTexts.model_fields} | {
        "id": project.pk,
        "slug": project.slug,
        "published": Published(
            version=plan.version, digest=plan.digest, at=plan.created_at, by=plan.created_by
        )
        if plan
        else None,
        "providers": [
            Provider(role=m.role, account=m.account.name, model=m.model, voice=m.voice)
            for m in project.members.all()
        ],
    }


def show(project: Project) -> ProjectOut:
    return ProjectOut(**_fields(project))


def show_all(project: Project) -> ProjectDetail:
    entries = project.faq.order_by("position", "pk")
    return ProjectDetail(
        **_fields(project),
        has_unpublished_changes=services.has_unpublished_changes(project=project),
        faq=[
            Faq(
                question=entry.question,
                variants=entry.variant_lines(),
                answer=entry.answer,
                live=entry.live,
                digit=entry.digit,
            )
            for entry in entries
        ],
    )


@router.get("", **needs("projects:read", Projects), summary="List projects")
def list_projects(request: HttpRequest, paging: Query[Paging]) -> Any:
    return listed(_rows(), show, paging)


@router.post(
    "",
    **needs("projects:write", ProjectDetail, status=201, also=[409]),
    summary="Add a project, as a draft",
)
def create_project(request: HttpRequest, body: ProjectIn) -> Any:
    return creating(request, lambda: _write(Project(), body.model_dump(exclude_none=True)))


@router.get(
    "/{project_id}", **needs("projects:read", ProjectDetail, also=[404]), summary="Get a project"
)
def get_project(request: HttpRequest, project_id: Id) -> Any:
    return show_all(_find(project_id))


@router.patch(
    "/{project_id}",
    **needs("projects:write", ProjectDetail, also=[404, 409]),
    summary="Change a project's texts, in the draft",
)
def change_project(request: HttpRequest, project_id: Id, body: ProjectChange) -> Any:
    with transaction.atomic():
        return _write(_find(project_id), body.model_dump(exclude_none=True))


@router.put(
    "/{project_id}/faq",
    **needs("projects:write", ProjectDetail, also=[404]),
    summary="Replace a project's FAQ, in the draft",
)
def replace_faq(request: HttpRequest, project_id: Id, body: FaqList) -> Any:
    with transaction.atomic():
        project = _find(project_id)
        project.faq.all().delete()
        for n, entry in enumerate(body.items):
            _add(project, n, entry)
        return show_all(project)


@router.post(
    "/{project_id}/publish",
    **needs("projects:write", Published, also=[404, 409]),
    summary="Publish a project: the next call hears it",
    description="409 with every problem, if callers must not hear it yet.",
)
def publish_project(request: HttpRequest, project_id: Id) -> Any:
    _find(project_id)
    try:
        plan = services.publish(project_id=project_id, by=by(request), now=timezone.now())
    except services.DraftIncomplete as incomplete:
        raise Problem(
            409,
            "The project cannot be published yet. Mend what details say.",
            code="draft_incomplete",
            details=[Detail(field="", message=problem) for problem in incomplete.problems],
        ) from incomplete
    return Published(
        version=plan.version, digest=plan.digest, at=plan.created_at, by=plan.created_by
    )


def _find(pk: int) -> Project:
    project: Project | None = _rows().filter(pk=pk).first()
    if project is None:
        raise missing("project", pk)
    return project


def _write(project: Project, given: dict[str, Any]) -> ProjectDetail:
    form = ProjectForm(form_data(ProjectForm, project, given), instance=project)
    require_valid(form)
    saved: Project = form.save()
    return show_all(_find(saved.pk))


def _add(project: Project, n: int, entry: Faq) -> None:
    row = FaqEntry(
        project=project,
        question=entry.question,
        variants="\n".join(entry.variants),
        answer=entry.answer,
        live=entry.live,
        digit=entry.digit,
        position=n,
    )
    try:
        row.full_clean()
    except ValidationError as wrong:
        details = [
            Detail(field=f"items.{n}.{name}" if name != "__all__" else f"items.{n}", message=text)
            for name, texts in wrong.message_dict.items()
            for text in texts
        ]
        words = " ".join(detail.message for detail in details)
        raise Problem(422, f"Question {n + 1}: {words}", details=details) from wrong
    row.save()
