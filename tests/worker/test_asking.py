"""Whether a call may be recorded: told or asked before, by whole conversations."""

import asyncio
import json
import shutil
from dataclasses import replace
from typing import Any

import pytest

from agents.consent import Consent, answer_in, wording_of
from agents.plan import Faq
from agents.worker import prepare, taping
from agents.worker.desk import DeskAway
from agents.worker.taping import Taping
from tests.fakes.desk import wait_until
from tests.worker.engines import SEAL
from tests.worker.plan import a_config
from tests.worker.talking import light, talking

pytestmark = pytest.mark.worker

QUESTION = "May we record this call? Press one for yes, two for no."
NOT_RECORDED, GREETING = "Then we do not record it.", "Welcome to Northwind."
ASKS = Consent(mode="question", words=QUESTION, refused=NOT_RECORDED, wait_s=2)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """What is said in all tests, spoken once."""
    made = tmp_path_factory.mktemp("plan")
    told = ("This call is recorded.", "Paused.", "Going on.")
    faq = tuple(Faq(question="Hello?", answer=text) for text in told)
    asyncio.run(prepare.prepare(light(consent=ASKS, faq=faq), made, seal_keys=SEAL))
    return made


@pytest.fixture
def folder(prepared, tmp_path):
    for name in (".", "True", "False"):  # of some tests
        shutil.copytree(prepared, tmp_path / name, dirs_exist_ok=True)
    return tmp_path


class Scene:
    """A call as the session runs it: the caller is on the line, nothing was said yet."""

    def __init__(self, talk, folder, plan, *, talks=True):
        self.talk, self.bot = talk, talk.call.bot
        self.config = a_config(folder / "worker")
        self.begun: list[Any] = []
        self.taping = Taping(
            self.config, "call_1", "AJ_1", talk.book, on_begun=self.begun.append
        )  # fmt: skip
        self.bot.pauses = self.taping.pauses
        self.taping.answered(plan, self.bot, wanted=plan.record, talks=talks)
        self.bot.answered()

    async def greeted(self):
        await wait_until(lambda: GREETING in self.talk.said("agent"), timeout_s=15)

    def files(self):
        folders = (self.config.recording_dir, self.config.spool_dir)
        return sorted(path.name for folder in folders for path in folder.iterdir())

    async def consent(self):
        await wait_until(lambda: self.talk.entries("consent"), timeout_s=15)
        (entry,) = self.talk.entries("consent")
        return entry.data

    async def over(self):
        await self.taping.finish(asyncio.get_running_loop().time())


async def asked(talk):
    """He has heard enough of it to answer."""
    await asyncio.sleep(0.5)


async def test_a_yes_by_key_begins_the_recording_and_not_before(folder):
    plan = light(consent=ASKS)
    async with talking(plan, folder, greet=False) as talk:
        scene = Scene(talk, folder, plan)
        await asked(talk)
        assert scene.files() == []
        scene.bot.digit("5")  # no answer
        scene.bot.digit("1")
        assert await scene.consent() == {
            "outcome": "given", "wording": wording_of(QUESTION), "how": "key",
        }  # fmt: skip
        await scene.greeted()
        assert len(scene.begun) == 1
        assert "AJ_1.ogg" in scene.files()
        await scene.over()
        (told,) = talk.entries("recording")
        assert told.data["starts_ms"] >= talk.entries("consent")[0].ms
        assert NOT_RECORDED not in talk.said("agent")


@pytest.mark.parametrize(
    ("key", "outcome", "how"), [("2", "refused", "key"), ("", "unanswered", "")]
)
async def test_who_refuses_or_says_nothing_is_not_recorded(folder, key, outcome, how):
    plan = light(consent=ASKS)
    async with talking(plan, folder, greet=False) as talk:
        scene = Scene(talk, folder, plan)
        await asked(talk)
        if key:
            scene.bot.digit(key)
        found = await scene.consent()
        assert (found["outcome"], found["how"]) == (outcome, how)
        await scene.greeted()
        assert NOT_RECORDED in talk.said("agent")
        await scene.over()
        assert scene.begun == []
        assert scene.files() == []
        assert talk.entries("recording") == []
        assert scene.taping.pauses.egress is None


@pytest.mark.parametrize(("words", "outcome"), [("Yes please", "given"), ("No", "refused")])
async def test_an_answer_may_be_spoken_and_is_not_answered_itself(folder, words, outcome):
    plan = light(consent=replace(ASKS, wait_s=12))
    async with talking(plan, folder, greet=False) as talk:
        scene = Scene(talk, folder, plan)
        await wait_until(lambda: QUESTION in talk.said("agent"), timeout_s=15)
        await talk.says(words)
        found = await scene.consent()
        assert (found["outcome"], found["how"]) == (outcome, "speech")
        await scene.greeted()
        await scene.over()
        assert plan.ask_back not in talk.said("agent")
        assert bool(scene.begun) == (outcome == "given")


async def test_an_announcement_comes_before_the_recording(folder):
    plan = light(consent=Consent(mode="announcement", words="This call is recorded."))
    async with talking(plan, folder, greet=False) as talk:
        scene = Scene(talk, folder, plan)
        assert scene.begun == []
        assert (await scene.consent())["outcome"] == "announced"
        await scene.greeted()
        await scene.over()
        assert talk.said("agent") == ["This call is recorded.", GREETING]
        assert talk.entries("recording")


async def test_who_meets_no_bot_is_recorded_without_a_question(folder):
    """A voicemail: its announcement asks for a message."""
    plan = light(consent=ASKS)
    async with talking(plan, folder, greet=False) as talk:
        scene = Scene(talk, folder, plan, talks=False)
        assert len(scene.begun) == 1
        await scene.over()


@pytest.mark.parametrize(
    ("text", "language", "means"),
    [
        ("Yes, please.", "en", True), ("No thank you", "en-GB", False), ("Okay", "en", True),
        ("Yes, but do not record me", "en", False), ("I don’t know", "en", False),
        ("What are your hours?", "en", None), ("Ja, gerne", "de", True), ("Nein", "de-AT", False),
        ("Oui", "fr", True), ("نعم", "ar", True), ("لا", "ar", False), ("", "en", None),
        ("sure", "xx", True),
    ],
)  # fmt: skip
def test_what_an_answer_means(text, language, means):
    assert answer_in(text, language) is means


# --- pauses -------------------------------------------------------------------------------------


class Packet:
    topic, participant = taping.TOPIC, None

    def __init__(self, order):
        self.data = json.dumps({"order": order}).encode()


class Desk:
    """The control plane: hands out each order once, and pauses egresses."""

    orders = {7: {"what": "pause", "by": "api: crm"}, 8: {"what": "resume", "by": "api: crm"}}
    away = 1
    told: list = []
    stops = True

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        return None

    async def pause_order(self, question):
        if Desk.away:
            Desk.away -= 1
            raise DeskAway("away")
        return Desk.orders[question["order"]]

    async def pause_egress(self, question):
        Desk.told.append(question)
        return {"done": Desk.stops}


@pytest.fixture
def desk(monkeypatch):
    Desk.away, Desk.told, Desk.stops = 1, [], True
    monkeypatch.setattr(Taping, "_desk", lambda self: Desk())
    return Desk


def marks(talk):
    return [(e.data["what"], e.data["why"], e.data["by"]) for e in talk.entries("pause")]


async def test_an_order_is_taken_once_however_often_it_is_told(folder, desk):
    plan = light(recorder="egress")
    async with talking(plan, folder, greet=False) as talk:
        scene = Scene(talk, folder, plan)
        await scene.greeted()
        assert len(scene.begun) == 1  # beside the egress

        async def send(packet) -> int:
            scene.taping._on_data(packet)
            await asyncio.gather(*scene.taping._tasks)
            return len(marks(talk))

        assert await send(Packet(7)) == 0  # the control plane is away
        assert await send(Packet(7)) == 1
        assert await send(Packet(7)) == 1
        forged: Any = Packet(8)
        forged.participant = object()
        assert await send(forged) == 1
        assert await send(Packet(8)) == 2
        await scene.over()
        assert marks(talk) == [("begin", "api", "api: crm"), ("end", "api", "api: crm")]
    assert [told["what"] for told in desk.told] == ["begin", "end"]


async def test_an_egress_which_goes_on_is_no_pause(folder, desk):
    plan = light(recorder="egress", pause_key="9", paused="Paused.", resumed="Going on.")
    async with talking(plan, folder, greet=False) as talk:
        scene = Scene(talk, folder, plan)
        await scene.greeted()
        desk.stops = False
        scene.bot.digit("9")
        await wait_until(lambda: talk.entries("error"))
        assert marks(talk) == []
        desk.stops = True
        scene.bot.digit("9")
        await wait_until(lambda: "Paused." in talk.said("agent"))
        scene.bot.digit("9")
        await wait_until(lambda: "Going on." in talk.said("agent"))
        await scene.over()
        assert marks(talk) == [("begin", "key", ""), ("end", "key", "")]


async def test_who_paused_first_is_not_overruled_by_a_rule_which_ends(folder, desk):
    plan = light(recorder="worker")
    async with talking(plan, folder, greet=False) as talk:
        scene = Scene(talk, folder, plan)
        pauses = scene.taping.pauses
        await pauses.begin("api", "crm")
        await pauses.begin("rule", "order")
        await pauses.end("rule", "order")
        assert pauses.is_on
        assert scene.begun[0]._blind[-1][1] > 2**60  # still silent
        await pauses.end("key")
        assert not pauses.is_on
        assert scene.begun[0]._blind[-1][1] < 2**60
        await scene.over()


async def test_the_bot_pauses_only_where_the_project_lets_it(folder, desk):
    names = []
    for lets in (False, True):
        plan = light(bot_pauses=lets, paused="Paused.")
        async with talking(plan, folder / str(lets), greet=False) as talk:
            scene = Scene(talk, folder / str(lets), plan)
            names.append({getattr(tool, "id", "") for tool in scene.bot.tools})
            if lets:
                assert "Done" in await scene.bot.tool_pause(True)
                assert "Done" in await scene.bot.tool_pause(True)  # once is enough
                assert marks(talk) == [("begin", "bot", "")]
            await scene.over()
    assert "pause_recording" not in names[0]
    assert {"pause_recording", "resume_recording"} <= names[1]
