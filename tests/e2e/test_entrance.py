"""Numbers whose policy decides before a call is answered, on the real media plane."""

import asyncio
import http.server
import json
import threading
import time

import pytest

from telephony import demo
from telephony.caller.call import CallFailed
from telephony.caller.leg import Leg
from telephony.caller.sip import Message
from telephony.caller.speech import speak
from tests.e2e.ears import Ears
from tests.e2e.stack import HOURS, Stack, eventually
from tests.fakes.uas import Telephone

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

CLOSED, MAILBOX, OPEN, OWN = (f"+1202555011{n}" for n in range(4))
UNWANTED = "+12025550219"
SHUT = "Our shop is closed. Please call again tomorrow."
LEAVE = "Our shop is closed. Please speak after the tone."
HELLO = "Welcome to the repair shop, {customer_name|dear caller}."

SET_UP = """
from django.utils import timezone
from agents.models import Project, ChainMember
from agents.services import publish
from telephony import push
from telephony.models import CallerRule, DispatchRule, Entrance, Number, Schedule, Trunk
trunk = Trunk.objects.get(name=%(trunk)r)
shut = Schedule.objects.create(name="Always shut", expression="24/7 off")
demo = Project.objects.get(slug=%(demo)r)
own = Project.objects.create(slug="own", name="Own", greeting=%(hello)r, ask_back=demo.ask_back,
    goodbye=demo.goodbye, mode="local", vad_preset="fast_qa", turn_detector="v1-mini")
for member in demo.members.all():
    ChainMember.objects.create(project=own, role=member.role, account=member.account)
for entry in demo.faq.all():
    entry.pk, entry.project = None, own
    entry.save()
publish(project_id=own.pk, by="tests", now=timezone.now())
def number(e164, **policy):
    n = Number.objects.create(e164=e164, trunk=trunk)
    if policy:
        Entrance.objects.create(number=n, **policy)
number(%(closed)r, schedule=shut, closed_action="message", closed_words=%(shut)r)
number(%(mailbox)r, schedule=shut, closed_action="voicemail", closed_words=%(leave)r)
number(%(open)r)
number(%(own)r, project=own, lookup_url=%(hook)r, priority=3)
CallerRule.objects.create(kind="block", digits=%(unwanted)r)
push.mark_pending(Trunk.objects.filter(pk=trunk.pk))
"""


class Hook(http.server.BaseHTTPRequestHandler):
    """The company's own system: knows Ada."""

    asked: list[dict] = []

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        Hook.asked.append(
            json.loads(body) | {"signed": "X-Contactcenter-Signature" in self.headers}
        )
        answer = json.dumps({"customer": {"name": "Martha"}, "tier": 2}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def policies(stack: Stack):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hook)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    stack.manage("shell", "-c", SET_UP % {
        "trunk": demo.TRUNK, "demo": demo.SLUG, "hello": HELLO, "shut": SHUT, "leave": LEAVE,
        "closed": CLOSED, "mailbox": MAILBOX, "open": OPEN, "own": OWN,
        "hook": f"http://127.0.0.1:{server.server_port}/who", "unwanted": UNWANTED.lstrip("+"),
    })  # fmt: skip
    plan = stack.rows("select digest from agents_publishedplan order by id desc limit 1")[0]
    ready = stack.home.data / "worker" / "ready.json"
    eventually(lambda: plan["digest"] in json.loads(ready.read_text())["plans"], 30)
    eventually(
        lambda: stack.rows(
            "select sync_state from telephony_trunk where name = ?", demo.TRUNK
        )[0]["sync_state"] == "synced",
        30,
    )  # fmt: skip
    yield stack
    server.shutdown()


def tools(stack: Stack, room: str) -> dict[str, str]:
    entries = stack.rows(
        "select data from recordings_journalentry e join telephony_call c on c.id = e.call_id "
        "where c.room = ? and kind = 'tool'", room,
    )  # fmt: skip
    return {d["name"]: d["outcome"] for d in (json.loads(e["data"]) for e in entries)}


def closed_call(stack: Stack, caller: str) -> tuple[str, str | None]:
    async def run():
        async with stack.call(caller=caller, number=CLOSED) as call:
            await call.answered()
            await asyncio.wait_for(call.ended.wait(), 20)
            return call.ended_by, Ears([SHUT]).line(call.heard_since(call.times["answered"]))

    return asyncio.run(run())


def test_a_closed_number_says_its_message_and_hangs_up(policies: Stack):
    assert closed_call(policies, "+12025550201") == ("them", SHUT)
    row = policies.settled("+12025550201")
    assert (row["state"], row["end_reason"]) == ("ended", "closed")
    shown = policies.shown(row["room"])
    assert [line["text"] for line in shown["transcript"]] == [SHUT]
    assert tools(policies, row["room"])["entrance"].startswith("message (closed), decided now")
    with policies.without("web"):  # what was decided last still holds
        assert closed_call(policies, "+12025550205") == ("them", SHUT)
    row = policies.settled("+12025550205", 60)
    assert row["end_reason"] == "closed"
    assert "as decided last" in tools(policies, row["room"])["entrance"]


def spied(leg: Leg) -> list[Message]:
    """Refusals as they come, with their headers."""
    told: list[Message] = []
    take = leg._refused

    def refused(message: Message) -> None:
        told.append(message)
        take(message)

    leg._refused = refused  # type: ignore[method-assign]
    return told


def test_a_blocked_caller_is_refused_before_anybody_answers(policies: Stack):
    async def run():
        async with policies.call(caller=UNWANTED, number=OPEN) as call:
            begun = time.monotonic()
            told = spied(call.leg)
            with pytest.raises(CallFailed) as failure:
                await call.answered(15)
            return failure.value.status, told[0].get("reason"), time.monotonic() - begun

    status, cause, seconds = asyncio.run(run())
    assert status == 486
    assert cause == 'Q.850;cause=17;text="User busy"'
    assert seconds < 8
    row = policies.settled(UNWANTED)
    assert row["end_reason"] == "blocked"
    assert row["answered_at"] is None


def test_a_message_is_recorded_and_written_down(policies: Stack):
    async def run():
        async with policies.call(caller="+12025550202", number=MAILBOX) as call:
            await call.answered()
            await call.quiet(1200)
            await call.say(await speak("What are your opening hours?", "rms"))
            await asyncio.sleep(0.5)
            await call.press("#")
            await asyncio.wait_for(call.ended.wait(), 20)
            return call.ended_by

    assert asyncio.run(run()) == "them"
    row = policies.settled("+12025550202")
    assert (row["state"], row["end_reason"]) == ("ended", "voicemail")
    shown = policies.shown(row["room"])
    said = [(line["who"], line["text"]) for line in shown["transcript"]]
    assert said == [("agent", LEAVE), ("caller", "What are your opening hours?"), ("caller", "[#]")]
    eventually(lambda: policies.shown(row["room"])["recording"]["state"] == "stored", 20)


def test_who_hangs_up_after_speaking_has_left_a_message(policies: Stack):
    async def run():
        async with policies.call(caller="+12025550203", number=MAILBOX) as call:
            await call.answered()
            await call.quiet(1200)
            await call.say(await speak("What are your opening hours?", "rms"))
            await call.hang_up()

    asyncio.run(run())
    row = policies.settled("+12025550203")
    assert (row["state"], row["end_reason"]) == ("ended", "voicemail")
    texts = [line["text"] for line in policies.shown(row["room"])["transcript"]]
    assert texts == [LEAVE, "What are your opening hours?"]


def test_a_number_with_its_own_project_greets_whom_the_lookup_knows(policies: Stack):
    personal = "Welcome to the repair shop, Martha."

    async def run():
        async with policies.call(caller="+12025550204", number=OWN) as call:
            await call.answered()
            await call.quiet(900)
            greeting = Ears([personal, "Welcome to the repair shop, dear caller."]).line(
                call.heard_since(call.times["answered"])
            )
            return greeting, await policies.ask(call, "What are your opening hours?")

    heard = asyncio.run(run())
    row = policies.settled("+12025550204")
    assert Hook.asked[-1]["caller"].endswith("12025550204")
    assert Hook.asked[-1]["signed"]
    said = policies.shown(row["room"])["transcript"][0]
    assert (said["text"], said["via"]) == (personal, "greeting")
    assert heard == (personal, HOURS)
    found = tools(policies, row["room"])
    assert found["caller lookup"].startswith("knows customer_name, priority, tier")
    assert found["entrance"] == "answer, decided now, priority 3"
    project = policies.rows("select slug from agents_project where id = ?", row["project_id"])
    assert project == [{"slug": "own"}]


OTHER = """
from telephony import push
from telephony.models import Entrance, Number, Trunk
out = Trunk.objects.create(name="Out", direction="outbound", address="127.0.0.1:%(port)d",
    caller_ids=["+12025550100"])
push.mark_pending(Trunk.objects.filter(pk=out.pk))
Entrance.objects.create(number=Number.objects.get(e164=%(open)r), ring_limit_s=4,
    overflow_number="+12025550177", overflow_trunk=out)
"""


def test_without_a_worker_the_other_number_is_called(policies: Stack):
    """A ringing leg cannot be referred; the other telephone is dialled into its room."""
    words = "You have reached the night desk."

    def is_there() -> bool:
        found = policies.rows("select sync_state from telephony_trunk where name = 'Out'")
        return bool(found) and found[0]["sync_state"] == "synced"

    async def run():
        async with Telephone(tone=await speak(words, "slt")) as phone:
            order = OTHER % {"port": phone.port, "open": OPEN}
            await asyncio.to_thread(policies.manage, "shell", "-c", order)
            await asyncio.to_thread(eventually, is_there, 30)
            async with policies.call(caller="+12025550206", number=OPEN) as call:
                await call.answered(15)
                await call.quiet(900)
                heard = Ears([words]).line(call.heard_since(call.times["answered"]))
                phone.hang_up()
                await asyncio.wait_for(call.ended.wait(), 20)
                return heard, call.ended_by

    with policies.without("worker"):
        assert asyncio.run(run()) == (words, "them")
    row = policies.settled("+12025550206")
    assert (row["state"], row["end_reason"]) == ("ended", "overflow")
    legs = policies.rows(
        "select role, remote, state from telephony_leg where call_id = ? order by id", row["id"]
    )
    assert [(leg["role"], leg["remote"]) for leg in legs][1:] == [("target", "+12025550177")]
