"""Rows with honest defaults. No randomness."""

from datetime import UTC, datetime

from agents import services as agents
from agents.models import ChainMember, FaqEntry, Project, ProviderAccount, PublishedPlan
from telephony.models import Call, Destination, DispatchRule, Number, Trunk

NOW = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)
NUMBER = "+12025550100"


def make_account(provider: str, **values) -> ProviderAccount:
    values = {"name": f"Account {provider}"} | values
    by_hand = ProviderAccount.objects.filter(source=ProviderAccount.Source.DESK)
    return by_hand.get_or_create(provider=provider, defaults=values)[0]


EMBEDDED = {"stt": "sphinx", "llm": "faq", "tts": "flite"}


def make_project(
    *, slug: str = "shop", faq: bool = True, own: bool = True, voice: str = "", **values
) -> Project:
    """A draft which can be published, on the embedded providers or the accounts named.

    `own=False`: it names no provider itself.
    """
    accounts = {role: values.pop(f"{role}_account", None) for role in EMBEDDED}
    values = {"name": "Shop", "greeting": "Hello, this is the shop."} | values
    project = Project.objects.create(slug=slug, **values)
    for role, embedded in EMBEDDED.items():
        account = accounts[role] or (make_account(embedded) if own else None)
        if account:
            make_member(project, role, account, voice=voice if role == "tts" else "")
    if faq:
        FaqEntry.objects.create(
            project=project,
            question="When are you open?",
            variants="What are your opening hours?",
            answer="From nine to six.",
            digit="1",
        )
    return project


def make_member(project: Project, role: str, account: ProviderAccount, **values) -> ChainMember:
    """The next one in a project's own chain."""
    values = {"position": project.members.filter(role=role).count()} | values
    return ChainMember.objects.create(project=project, role=role, account=account, **values)


def make_plan(project: Project | None = None) -> PublishedPlan:
    """A published project's plan."""
    project = project or make_project()
    plan = agents.publish(project_id=project.pk, by="tests", now=NOW)
    project.refresh_from_db()
    return plan


def make_trunk(*, number: str = NUMBER, **values) -> Trunk:
    """An inbound trunk which can be pushed."""
    values = {"name": "Sales", "allowed_addresses": ["127.0.0.1/32"]} | values
    trunk = Trunk.objects.create(**values)
    if number:
        Number.objects.create(e164=number, trunk=trunk)
    return trunk


def make_rule(*trunks: Trunk, project: Project | None = None, **values) -> DispatchRule:
    """A rule which can be pushed: its project is published."""
    if project is None:
        project = make_project()
        make_plan(project)
    rule = DispatchRule.objects.create(**({"name": "Sales line", "project": project} | values))
    rule.trunks.set(trunks or [make_trunk()])
    return rule


def digest_in_use(rule: DispatchRule) -> str:
    """Of the plan which calls of a rule run on."""
    return PublishedPlan.objects.get(pk=rule.project.published_id or 0).digest


def make_line(**values) -> Trunk:
    """An outbound trunk which LiveKit has."""
    values = {"name": "Out", "address": "203.0.113.7", "caller_ids": ["+12025550111"]} | values
    values = {"remote_id": "ST_out", "direction": Trunk.Direction.OUTBOUND} | values
    return Trunk.objects.create(**values)


def make_destination(**values) -> Destination:
    values = {"name": "Billing", "key": "billing", "description": "invoices"} | values
    return Destination.objects.create(**({"number": "+12025550177"} | values))


def make_call(*, room: str = "call_1_abc", **values) -> Call:
    return Call.objects.create(room=room, **({"started_at": NOW, "last_seen_at": NOW} | values))
