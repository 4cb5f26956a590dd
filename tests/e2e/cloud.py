"""A second project on the stack whose providers are emulators in a process of their own."""

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import redis

from tests.e2e.stack import Stack, eventually
from tests.emulators.core import Fault, Script
from tests.emulators.server import Emulators
from tests.emulators.spawned import Spawned

NUMBER = "+12025550140"
GREETING = "Hello."
APOLOGY = "I am sorry, none of our services works. Please call again tomorrow."
FILLER = "One moment, please."
ASKED = "When are you open?"
ANSWER = "We are open from nine to six, Monday to Saturday. You can come in at any time."
CHAINS = {
    "stt": [("deepgram-stt", "deepgram"), ("openai-stt", "openai")],
    "llm": [("openai-llm", "openai"), ("anthropic-llm", "anthropic")],
    "tts": [("cartesia-tts", "cartesia"), ("kokoro", "kokoro")],
}
# runs inside the product: there is no other way to its database than its own models
SETTING_UP = """
import json, sys
from django.conf import settings
from django.utils import timezone
from agents import seal
from agents.models import ChainMember, Project, ProviderAccount
from agents.services import publish
from telephony.models import DispatchRule, Number, Trunk
facts = json.loads({facts!r})
project = Project.objects.create(
    slug=facts["slug"], name="Cloud shop", greeting=facts["greeting"], apology=facts["apology"],
    filler=facts["filler"], vad_preset="fast_qa", silence_s=60,
    instructions="You answer for a shop.", **facts["more"],
)
for role, members in facts["chains"].items():
    for position, (provider, url) in enumerate(members):
        account, _ = ProviderAccount.objects.get_or_create(
            name=f"{{provider}} of {{facts['slug']}}", provider=provider, base_url=url,
            defaults=dict(sealed_key=seal.seal("k-test", keys=settings.SEAL_KEYS)),
        )
        ChainMember.objects.create(
            project=project, role=role, position=position, account=account
        )
publish(project_id=project.pk, by="tests", now=timezone.now())
trunk = Trunk.objects.create(name=facts["slug"], allowed_addresses=["127.0.0.1/32"])
Number.objects.create(e164=facts["number"], trunk=trunk)
rule = DispatchRule.objects.create(name=facts["slug"], project=project)
rule.trunks.add(trunk)
"""


class Cloud:
    def __init__(self, stack: Stack, emulators: Spawned, loop: asyncio.AbstractEventLoop) -> None:
        self.stack = stack
        self._emulators = emulators
        self._loop = loop

    def faults(self, *faults: Fault) -> None:
        """From now on; what was known of providers is forgotten."""
        self._do(self._emulators.change("reset", {}))
        self._do(self._emulators.faults(*faults))

    def forget(self) -> None:
        """No provider is known to be down."""
        with redis.Redis.from_url(self.stack.home.env["REDIS_URL"]) as client:
            client.delete("cc:providers:down")

    def log(self) -> list[dict[str, Any]]:
        return self._do(self._emulators.log())

    def asked(self, role: str) -> set[str]:
        """Which providers of a role were asked something; opening a connection is not asking."""
        lines = [line for line in self.log() if line["role"] == role]
        asked = ("request", "fault", "first")
        return {line["provider"] for line in lines if line["what"].startswith(asked)} - {"*"}

    def project(self, slug: str, number: str, **more: Any) -> None:
        """Make and publish one; wait until the worker has it ready and the number rings."""
        chains = {
            role: [(provider, self._emulators.url(name)) for provider, name in members]
            for role, members in CHAINS.items()
        }
        facts = {
            "slug": slug, "number": number, "greeting": GREETING, "apology": APOLOGY,
            "filler": FILLER, "chains": chains, "more": more,
        }  # fmt: skip
        self.stack.manage("shell", "-c", SETTING_UP.format(facts=json.dumps(facts)))
        self.stack.manage("synclivekit", "--apply")
        eventually(lambda: self._is_ready(slug), 60)

    def _is_ready(self, slug: str) -> bool:
        (row,) = self.stack.rows(
            "select digest from agents_publishedplan p join agents_project o "
            "on o.published_id = p.id where o.slug = ?", slug,
        )  # fmt: skip
        folder = self.stack.home.data / "worker" / "plans" / row["digest"] / "audio"
        return len(list(folder.glob("*.wav"))) >= 9

    def entries(self, call_id: int, kind: str) -> list[dict[str, Any]]:
        """What the journal of a call says of one kind."""
        query = "select data from recordings_journalentry where call_id = ? and kind = ? order by n"
        return [json.loads(row["data"]) for row in self.stack.rows(query, call_id, kind)]

    def switches(self, call_id: int) -> list[dict[str, Any]]:
        return self.entries(call_id, "switch")

    def _do(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)


@contextmanager
def cloud(stack: Stack) -> Iterator[Cloud]:
    """The emulators answer from a process of their own; a thread here holds the line to them."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    script = Script.of([ASKED, "Thank you."], {ASKED: ANSWER, "Thank you.": "You are welcome."})
    opened = Emulators.spawn(profile="const", script=script)
    emulators = asyncio.run_coroutine_threadsafe(opened.__aenter__(), loop).result(120)
    try:
        yield Cloud(stack, emulators, loop)
    finally:
        asyncio.run_coroutine_threadsafe(opened.__aexit__(None, None, None), loop).result(30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(5)


def plain(text: str) -> list[str]:
    return "".join(c if c.isalnum() or c == "'" else " " for c in text.lower()).split()


def in_order(expected: list[str], heard: list[str]) -> list[str]:
    """The longest run of expected words which were heard in that order, others between them."""
    best = [[0] * (len(heard) + 1) for _ in range(len(expected) + 1)]
    for i, word in enumerate(expected):
        for j, other in enumerate(heard):
            best[i + 1][j + 1] = (
                best[i][j] + 1 if word == other else max(best[i][j + 1], best[i + 1][j])
            )
    found, i, j = [], len(expected), len(heard)
    while i and j:
        if expected[i - 1] == heard[j - 1]:
            found.append(expected[i - 1])
            i, j = i - 1, j - 1
        elif best[i - 1][j] >= best[i][j - 1]:
            i -= 1
        else:
            j -= 1
    return found[::-1]
