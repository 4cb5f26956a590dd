"""What is said when a language model fails, over the providers' own wire."""

import pytest
from livekit.agents import llm

from agents.worker.chain.members import AllDown
from agents.worker.chain.thinking import Mind
from tests.emulators.core import Fault
from tests.worker.chains import Diary, chain_of
from tests.worker.engines import ASKED, world

pytestmark = pytest.mark.worker

FULL = "We are open from nine to six, Monday to Saturday. Come and see us, we are happy to help."
SLOW = {"name": "const", "llm_ms": 20, "tokens_per_s": 200}


async def answer_of(emulators, tmp_path, *slugs, diary=None, asked=ASKED):
    emulators.board.script.answers[ASKED] = FULL
    diary = diary or Diary()
    mind = Mind(chain_of(emulators, tmp_path, diary, *slugs))
    context = llm.ChatContext.empty()
    context.add_message(role="user", content=asked)
    said = ""
    async for chunk in mind.think(context, []):
        said += (chunk.delta.content or "") if chunk.delta else ""
    return said, diary.switches


async def test_the_first_model_answers_when_all_is_well(tmp_path):
    async with world() as emulators:
        said, switches = await answer_of(emulators, tmp_path, "openai-llm", "anthropic-llm")
    assert (said, switches) == (FULL, [])


@pytest.mark.parametrize(
    ("kind", "after", "reason"),
    [
        ("refuse", 0, "refused"),
        ("429", 0, "limited"),
        ("500", 0, "failed"),
        ("stall", 0, "stalled"),
        ("stall_after", 5, "stalled"),
        ("stall_after", 9, "stalled"),
        ("half", 5, "broke_off"),
        ("half", 9, "broke_off"),
        ("drop", 0, "refused"),
        ("drop", 5, "broke_off"),
        ("drop", 9, "broke_off"),
    ],
)
@pytest.mark.parametrize("second", ["anthropic-llm", "ollama"])
async def test_another_model_takes_over_and_nothing_is_said_twice(
    tmp_path, kind, after, reason, second
):
    fault = Fault("llm", "openai", kind, after=after)
    async with world(fault) as emulators:
        emulators.board.profile = emulators.board.profile.of(SLOW)
        said, switches = await answer_of(emulators, tmp_path, "openai-llm", second)
    assert said.split() == FULL.split()
    assert switches == [("openai-llm", second, reason)]


async def test_who_is_known_to_be_down_is_not_asked(tmp_path):
    diary = Diary()
    diary.down = {"openai-llm"}
    async with world(Fault("llm", "openai", "stall")) as emulators:
        said, switches = await answer_of(
            emulators, tmp_path, "openai-llm", "anthropic-llm", diary=diary
        )
        assert all(line["provider"] != "openai" for line in emulators.board.log)
    assert (said, switches) == (FULL, [])


async def test_a_slow_model_is_not_taken_for_a_broken_one(tmp_path):
    """It answers after another was asked too; the first answer is taken, and nobody is blamed."""
    diary = Diary()
    async with world() as emulators:
        emulators.board.profile = emulators.board.profile.of({"name": "zero", "llm_ms": 900})
        said, switches = await answer_of(
            emulators, tmp_path, "openai-llm", "anthropic-llm", diary=diary
        )
    assert (said, switches, diary.down) == (FULL, [], set())


async def test_with_nobody_left_the_caller_must_be_told(tmp_path):
    async with world(Fault("llm", "*", "500")) as emulators:
        diary = Diary()
        with pytest.raises(AllDown):
            await answer_of(emulators, tmp_path, "openai-llm", "anthropic-llm", diary=diary)
    assert diary.switches == [("openai-llm", "", "failed"), ("anthropic-llm", "", "failed")]


async def test_half_an_answer_is_kept_when_nobody_can_finish_it(tmp_path):
    faults = (Fault("llm", "openai", "drop", after=9), Fault("llm", "anthropic", "500"))
    async with world(*faults) as emulators:
        emulators.board.profile = emulators.board.profile.of(SLOW)
        said, _ = await answer_of(emulators, tmp_path, "openai-llm", "anthropic-llm")
    assert said.strip() == "We are open from nine to six,"
