"""Telephone numbers for the arms: trunk and rule of the samples, a project for ours."""

import asyncio
import json

from livekit import api

from tests.bench.yardstick import scenario
from tests.e2e.stack import Stack
from tests.emulators.spawned import Spawned

PROVIDERS = {"stt": "deepgram", "llm": "openai", "tts": "cartesia"}
LOOPBACK = "127.0.0.1/32"
PREPARED_S = 30  # at most, for one plan on a slow machine

# runs inside the product: there is no other way to its database than its own models
_SETTING_UP = """
import json
from django.conf import settings
from django.utils import timezone
from agents import seal
from agents.models import ChainMember, FaqEntry, Project, ProviderAccount
from agents.services import publish
from telephony.models import DispatchRule, Number, Trunk
facts = json.loads({facts!r})
for line in facts["lines"]:
    project = Project.objects.create(slug=line["slug"], **facts["project"], **line["more"])
    for role, (provider, url) in facts["chains"].items():
        account, _ = ProviderAccount.objects.get_or_create(
            name=f"{{provider}}, emulated", provider=provider, base_url=url,
            defaults=dict(sealed_key=seal.seal("emulated", keys=settings.SEAL_KEYS)),
        )
        ChainMember.objects.create(project=project, role=role, account=account)
    for position, (question, variants, answer) in enumerate(facts["faq"]):
        FaqEntry.objects.create(
            project=project, position=position, question=question, variants=variants, answer=answer
        )
    publish(project_id=project.pk, by="bench", now=timezone.now())
    trunk = Trunk.objects.create(name=line["slug"], allowed_addresses=[facts["from"]])
    Number.objects.create(e164=line["number"], trunk=trunk)
    rule = DispatchRule.objects.create(name=line["slug"], project=project)
    rule.trunks.add(trunk)
"""


async def ours(stack: Stack, emulators: Spawned, numbers: dict[str, tuple[str, str]]) -> None:
    """A project for each entry: slug → number, and the switch (of plan.Speed) which is off."""
    facts = {
        "from": LOOPBACK,
        "chains": {r: (f"{name}-{r}", emulators.url(name)) for r, name in PROVIDERS.items()},
        "faq": scenario.FAQ,
        "project": {
            "name": "Northwind Bikes", "greeting": scenario.GREETING, "vad_preset": "fast_qa",
            "ask_back": scenario.ASK_BACK, "filler": scenario.FILLER, "silence_s": 30,
            "mode": "project",
            "instructions": "You answer the telephone of a bicycle shop. Be friendly and brief.",
        },
        "lines": [
            {"slug": slug, "number": number, "more": {f"use_{off}": False} if off else {}}
            for slug, (number, off) in numbers.items()
        ],
    }  # fmt: skip
    script = _SETTING_UP.format(facts=json.dumps(facts))
    await asyncio.to_thread(stack.manage, "shell", "-c", script)
    await asyncio.to_thread(stack.manage, "synclivekit", "--apply")
    # each plan's sentences are spoken first
    wait_s = 60 + PREPARED_S * len(numbers)
    await asyncio.to_thread(stack.wait_ready, "worker", timeout_s=wait_s)


async def theirs(stack: Stack, agent: str, number: str) -> None:
    """As our own rule, but foreign to the product, which leaves it alone."""
    env = stack.home.env
    keys = env["LIVEKIT_URL"], env["LIVEKIT_API_KEY"], env["LIVEKIT_API_SECRET"]
    async with api.LiveKitAPI(*keys) as livekit:
        trunk = await livekit.sip.create_inbound_trunk(_trunk(agent, number))
        await livekit.sip.create_dispatch_rule(_rule(agent, trunk.sip_trunk_id))


def _trunk(agent: str, number: str) -> api.CreateSIPInboundTrunkRequest:
    return api.CreateSIPInboundTrunkRequest(
        trunk=api.SIPInboundTrunkInfo(
            name=agent,
            numbers=[number, number.removeprefix("+")],
            allowed_addresses=[LOOPBACK],
        )
    )


def _rule(agent: str, trunk_id: str) -> api.CreateSIPDispatchRuleRequest:
    individual = api.SIPDispatchRuleIndividual(room_prefix="yardstick")
    return api.CreateSIPDispatchRuleRequest(
        dispatch_rule=api.SIPDispatchRuleInfo(
            name=agent,
            trunk_ids=[trunk_id],
            rule=api.SIPDispatchRule(dispatch_rule_individual=individual),
            room_config=api.RoomConfiguration(
                empty_timeout=30,
                departure_timeout=3,
                agents=[api.RoomAgentDispatch(agent_name=agent)],
            ),
        )
    )
