"""“What would happen if somebody called now?” in a supervisor's words. Calls nobody."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace

from django.utils import timezone

from agents.models import PublishedPlan
from telephony import dryrun_entrance, edge_sync, shapes, sync, wanted
from telephony.gateway import Gateway
from telephony.models import DispatchRule, Number, Trunk
from telephony.routing import Invite, Outcome, Route, Table
from telephony.sync import LiveRule, LiveTrunk

SILENCE = "LiveKit never answers: the call rings until the carrier gives up."
ADD_RULE = "Add a rule which names this trunk, and a published project to answer."
SAME_END = 6  # digits at the end which two ways of writing one number share


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    works: bool
    headline: str
    steps: tuple[str, ...] = ()
    advice: str = ""

    def plain(self) -> dict[str, object]:
        return {
            "works": self.works, "headline": self.headline, "steps": list(self.steps),
            "advice": self.advice,
        }  # fmt: skip


def table_of(gateway: Gateway) -> Table:
    """LiveKit's trunks and rules of this moment. Raises GatewayUnavailable."""
    return Table(gateway.list_trunks(), gateway.list_rules())


def ask(*, called: str, address: str, gateway: Gateway, caller: str = "") -> Answer:
    """What happens to a call to `called` from `address` (empty: the carrier's own) by `caller`
    (empty: one nobody listed). Raises shapes.Misshapen, GatewayUnavailable."""
    who = dryrun_entrance.caller_in(caller)
    come = shapes.address(address) if address.strip() else ""
    number = _without_uri(called)
    invite = Invite(called=number, address=_as_livekit_sees(number, come))
    told = answer(invite, table_of(gateway).route(invite))
    return _by_policy(told, sync.normalised(number), who) if told.works else told


def _by_policy(told: Answer, called: str, caller: str) -> Answer:
    """It reaches us; now the number's policy and the caller rules have their say."""
    heard = dryrun_entrance.heard(called=called, caller=caller, now=timezone.now())
    more = (heard.step,) if heard.step else ()
    return replace(told, headline=heard.headline or told.headline, steps=told.steps + more)


def _as_livekit_sees(number: str, come: str) -> str:
    """The edge's address instead of the carrier's, if the number's trunk is behind it."""
    rows = Number.objects.filter(e164=sync.normalised(number)).select_related("trunk")
    trunk = next((row.trunk for row in rows), None)
    if come and trunk and trunk.via_edge and edge_sync.lets_in(trunk, come):
        return wanted.edge_host()
    return come


def _without_uri(text: str) -> str:
    """The user part, if somebody pastes a whole address."""
    text = text.strip().removeprefix("sips:").removeprefix("sip:").removeprefix("tel:")
    return text.partition("@")[0].partition(";")[0].strip()


def answer(invite: Invite, route: Route) -> Answer:
    steps = tuple(_steps(invite, route))
    match route.outcome:
        case Outcome.AGENT:
            return Answer(works=True, headline=_answered_by(route), steps=steps)
        case Outcome.NO_TRUNK:
            advice = _why_no_trunk(invite, route)
            headline = SILENCE
        case Outcome.NO_AGENT if route.rule and route.rule.spec.tag == sync.NO_RULE:
            advice = ADD_RULE
            headline = "The call is refused: no rule says who answers."
        case Outcome.NO_AGENT:
            advice = _why_no_trunk(invite, route)
            headline = "The call is refused: nobody here has the number."
        case Outcome.NO_RULE:
            advice = ADD_RULE
            headline = f"{SILENCE} No rule says who answers."
        case Outcome.CLASH:
            advice = "Take the number out of all trunks but one; those not ours with `lk sip`."
            headline = "The call fails: more than one trunk has the number."
    return Answer(works=False, headline=headline, steps=steps, advice=advice)


def _steps(invite: Invite, route: Route) -> list[str]:
    come = f" from {invite.address}" if invite.address else ""
    found = [f"LiveKit compares “{sync.normalised(invite.called)}”{come} with its trunks."]
    found += [
        f"{_trunk_name(live)} has the number, but does not take calls from {invite.address}."
        for live in route.shut_out
    ]
    if route.trunk:
        found.append(f"{_trunk_name(route.trunk)} takes the call.")
    if route.asks_password:
        found.append("It asks the carrier for a user name and password.")
    if route.rule:
        found.append(f"{_rule_name(route.rule)} decides who answers.")
    return found


def _answered_by(route: Route) -> str:
    assert route.rule is not None
    if not sync.is_our_tag(route.rule.spec.tag):
        return f"{_rule_name(route.rule)} sends it to agent “{route.rule.spec.agent_name}”."
    digest = _plan_of(route.rule)
    plan = PublishedPlan.objects.filter(digest=digest).select_related("project").first()
    if plan is None:
        return "An agent is asked for, with a plan we do not know."
    return f"Project “{plan.project.name}” answers (version {plan.version})."


def _plan_of(rule: LiveRule) -> str:
    try:
        told: Mapping[str, object] = json.loads(rule.spec.agent_metadata or "{}")
        return str(told.get("plan", ""))
    except (ValueError, AttributeError):
        return ""


def _why_no_trunk(invite: Invite, route: Route) -> str:
    if route.shut_out:
        return f"If {invite.address} is your carrier, add it to that trunk's addresses."
    number = sync.normalised(invite.called)
    if row := Number.objects.filter(e164=number).select_related("trunk").first():
        return _not_on_livekit(row.trunk)
    if other := _same_end(number):
        return (
            f"Your number is {other.e164}. The carrier has to send it like that, with its country "
            f"code (“E.164” in most settings)."
        )
    try:
        return f"Add {shapes.e164(number)} to a trunk, if it is yours."
    except shapes.Misshapen as reason:
        return str(reason)


def _not_on_livekit(trunk: Trunk) -> str:
    if not trunk.enabled:
        return f"Trunk “{trunk}” has this number, but is switched off."
    why = f" {trunk.sync_error}" if trunk.sync_error else ""
    return f"Trunk “{trunk}” has this number, but is not on LiveKit.{why}"


def _same_end(number: str) -> Number | None:
    digits = "".join(c for c in number if c.isdigit())
    if len(digits) < SAME_END:
        return None
    near = Number.objects.filter(e164__endswith=digits[-SAME_END:])
    return near.order_by("e164").first()


def _trunk_name(live: LiveTrunk) -> str:
    if live.spec.tag == sync.UNKNOWN_TRUNK:
        return "Our trunk for numbers nobody here has"
    if sync.is_our_tag(live.spec.tag):
        row = Trunk.objects.filter(pk=_pk(live.spec.tag)).first()
        return f"Trunk “{row or live.spec.name}”"
    return f"Trunk {live.remote_id}, which is not ours,"


def _rule_name(live: LiveRule) -> str:
    if live.spec.tag == sync.UNKNOWN_RULE:
        return "Our rule for numbers nobody here has"
    if live.spec.tag == sync.NO_RULE:
        return "Our rule for trunks without a rule"
    if sync.is_our_tag(live.spec.tag):
        row = DispatchRule.objects.filter(pk=_pk(live.spec.tag)).first()
        return f"Rule “{row or live.remote_id}”"
    return f"Rule {live.remote_id}, which is not ours,"


def _pk(tag: str) -> int:
    number = tag.rpartition(":")[2]
    return int(number) if number.isdecimal() else 0
