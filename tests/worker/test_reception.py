"""What a worker learns of a call before it answers, whatever is late, away or broken."""

import asyncio
import json
import time

import pytest
from aiohttp import web

from agents import seal
from agents.entrance import Decision, Lookup
from agents.worker import journal, lookup, reception
from agents.worker.journal import Journal
from agents.worker.lookup import Asked, LookupFailed
from agents.worker.reception import Reception
from tests.fakes.desk import FakeDesk, wait_until
from tests.worker.plan import a_config

pytestmark = pytest.mark.worker

ROOM = "call_+12025550123_abc"
LEG = {
    "sip.ruleID": "SDR_1", "sip.phoneNumber": "+12025550123",
    "sip.trunkPhoneNumber": "12025550100",
}  # fmt: skip
SHUT = Decision(action="message", reason="closed", words="Closed.")


def entry(decision: Decision, usual: Decision | None = None) -> dict:
    return {"decision": decision.to_dict(), "usual": (usual or decision).to_dict()}


def told(decision: Decision, usual: Decision | None = None, **more) -> dict:
    numbers = {"+12025550100": entry(decision, usual)}
    return {"numbers": numbers, "others": Decision().to_dict(), "whole": True} | more


class Front:
    """A reception with its desk and journal."""

    def __init__(self, folder, url, **config):
        self.config = a_config(folder, url=url, **config)
        self.book = Journal(folder, "AJ_1")

    async def take(self, attributes=LEG, room=ROOM) -> Reception:
        desk = Reception(self.config, self.book)
        desk.ask(room=room, plan="digest")
        await desk.decide(room=room, attributes=attributes)
        desk.write_down()
        if desk._keeping:
            await desk._keeping
        return desk

    def tools(self) -> dict[str, str]:
        entries = journal.read(self.book.path)
        return {e.data["name"]: e.data["outcome"] for e in entries if e.kind == "tool"}


@pytest.fixture
async def desk():
    async with FakeDesk() as desk:
        yield desk


async def test_the_number_dialled_decides(desk, tmp_path):
    desk.entrances = told(SHUT)
    front = Front(tmp_path, desk.url)
    assert (await front.take()).decision == SHUT
    assert desk.asked == [{"plan": "digest", "caller": "+12025550123", "called": ""}]
    assert front.tools() == {"entrance": "message (closed), decided now"}


async def test_a_number_without_policy_is_answered_without_a_word(desk, tmp_path):
    front = Front(tmp_path, desk.url)
    assert (await front.take()).decision == Decision()
    assert front.tools() == {}


async def test_a_caller_who_is_not_whom_the_room_names_is_asked_about_again(desk, tmp_path):
    desk.entrances = told(SHUT)
    await Front(tmp_path, desk.url).take(LEG | {"sip.phoneNumber": "+12025550124"})
    assert desk.asked[-1]["caller"] == "+12025550124"
    assert desk.asked[-1]["called"] == "12025550100"


async def test_a_number_which_was_left_out_is_asked_for_by_name(desk, tmp_path):
    desk.entrances = told(SHUT, whole=False) | {"numbers": {}}
    await Front(tmp_path, desk.url).take()
    assert [asked["called"] for asked in desk.asked] == ["", "12025550100"]


async def test_a_call_we_made_has_no_entrance(desk, tmp_path):
    desk.entrances = told(SHUT)
    front = Front(tmp_path, desk.url)
    attributes = {k: v for k, v in LEG.items() if k != "sip.ruleID"}
    assert (await front.take(attributes)).decision == Decision()
    assert front.tools() == {}


async def test_a_desk_which_is_away_leaves_the_last_decision(desk, tmp_path):
    usual = Decision(action="voicemail", reason="closed", valid_until=time.time() + 60)
    blocked = Decision(action="refuse", reason="blocked")
    desk.entrances = told(blocked, usual)
    front = Front(tmp_path, desk.url)
    assert (await front.take()).decision == blocked
    desk.away = True
    assert (await front.take()).decision == usual  # what was held against one is not kept
    assert "as decided last" in front.tools()["entrance"]


@pytest.mark.parametrize("kept", [
    json.dumps({"action": "message", "reason": "closed", "valid_until": 1.0}), "{", "[]", None,
    json.dumps({"action": "explode"}),
])  # fmt: skip
async def test_what_no_longer_holds_is_no_reason_to_close(desk, tmp_path, kept):
    desk.away = True
    front = Front(tmp_path, desk.url)
    front.config.entrance_dir.mkdir()
    if kept is not None:
        (front.config.entrance_dir / "12025550100.json").write_text(kept)
    assert (await front.take()).decision == Decision()
    assert "answered by the plan" in front.tools()["entrance"]


@pytest.mark.parametrize(
    "answer",
    [
        [],
        {},
        {"numbers": [], "others": {}, "whole": True},
        {"numbers": {}, "others": {"action": "explode"}, "whole": True},
    ],
)
async def test_an_answer_which_is_none_is_as_good_as_no_answer(desk, tmp_path, answer):
    desk.entrances = answer
    assert (await Front(tmp_path, desk.url).take()).decision == Decision()


async def test_a_slow_desk_is_not_waited_for(desk, tmp_path, monkeypatch):
    monkeypatch.setattr(reception, "LIMIT_S", 0.1)
    desk.entrances, desk.slow_s = told(SHUT), 30
    async with asyncio.timeout(10):
        assert (await Front(tmp_path, desk.url).take()).decision == Decision()


# --- who the caller is ----------------------------------------------------------------------------


class Crm:
    """Answers what it is told to, and keeps what it was asked."""

    def __init__(self):
        self.answer: bytes = b'{"customer": {"name": "Ada"}}'
        self.status, self.slow_s, self.host = 200, 0.0, ""
        self.requests: list[tuple[dict, bytes]] = []

    async def answered(self, request):
        self.requests.append((dict(request.headers), await request.read()))
        await asyncio.sleep(self.slow_s)
        headers = {"Location": "/elsewhere"} if self.status == 302 else {}
        return web.Response(status=self.status, body=self.answer, headers=headers)


@pytest.fixture
async def crm():
    crm, app = Crm(), web.Application()
    app.router.add_post("/who", crm.answered)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    crm.host = f"127.0.0.1:{runner.addresses[0][1]}"
    yield crm
    await runner.cleanup()


KEY = seal.new_key()


async def ask(crm, **at):
    values = {"url": f"http://{crm.host}/who", "sealed_secret": seal.seal("s3cret", keys=[KEY])}
    question = Asked(call=ROOM, caller="+12025550123", called="+12025550100")
    hosts = at.pop("hosts", (crm.host,))
    return await lookup.ask(Lookup(**values | at), question, hosts=hosts, seal_keys=[KEY])


async def test_the_question_is_signed(crm):
    assert await ask(crm) == {"customer_name": "Ada"}
    headers, body = crm.requests[0]
    said = json.loads(body)
    assert (said["call"], said["caller"], said["called"]) == (ROOM, "+12025550123", "+12025550100")
    shown = headers["X-Contactcenter-Signature"]
    assert shown == lookup.signed(body, "s3cret", said["at"])["X-Contactcenter-Signature"]
    assert shown != lookup.signed(body, "guess", said["at"])["X-Contactcenter-Signature"]


@pytest.mark.parametrize(
    ("changes", "at", "words"),
    [
        ({"status": 500}, {}, "status 500"),
        ({"status": 302}, {}, "status 302"),
        ({"answer": b"<html>"}, {}, "no JSON"),
        ({"answer": b"[" * 20_000}, {}, "more than"),
        ({"slow_s": 30}, {"limit_ms": 100}, "too late"),
        ({}, {"hosts": ("crm.example",)}, "LOOKUP_HOSTS"),
        ({}, {"sealed_secret": "broken"}, "cannot be opened"),
        ({}, {"url": "http://127.0.0.1:1/", "hosts": ("127.0.0.1",)}, "not reached"),
    ],
)
async def test_whatever_goes_wrong_is_said_in_words(crm, changes, at, words):
    for name, value in changes.items():
        setattr(crm, name, value)
    with pytest.raises(LookupFailed, match=words):
        await ask(crm, **at)


async def test_the_call_does_not_wait_for_what_is_known_of_its_caller(desk, crm, tmp_path):
    crm.slow_s = 0.3
    desk.entrances = told(Decision(lookup=Lookup(url=f"http://{crm.host}/who")))
    front = Front(tmp_path, desk.url, lookup_hosts=(crm.host,))
    reception = await front.take()
    assert reception.facts == {}
    await wait_until(lambda: reception.facts)
    assert reception.facts == {"customer_name": "Ada"}
    await wait_until(lambda: "caller lookup" in front.tools())
    assert front.tools()["caller lookup"].startswith("knows customer_name (")
    assert "Ada" not in front.book.path.read_text()
    await reception.aclose()
