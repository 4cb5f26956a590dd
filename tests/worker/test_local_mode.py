"""A plan in local mode: whole turns on servers of one's own, and nobody else is contacted."""

import pytest

from agents.plan import BrokenPlan, Stage
from agents.worker import pipeline
from tests.fakes.desk import wait_until
from tests.worker.engines import ANSWER, ASKED, AT, contacted, world
from tests.worker.plan import a_plan
from tests.worker.talking import talking

pytestmark = pytest.mark.worker


async def test_a_turn_in_local_mode_contacts_only_the_configured_servers(tmp_path):
    async with world() as emulators:
        chains = {
            role: (Stage(provider=slug, options={"base_url": emulators.base + AT[slug]}),)
            for role, slug in (("stt", "whisper"), ("llm", "ollama"), ("tts", "kokoro"))
        }
        plan = a_plan(mode="local", faq=(), **chains)
        contacted.clear()
        async with talking(plan, tmp_path) as talk:
            await talk.says(ASKED)
            await wait_until(lambda: ANSWER in talk.said("agent"), timeout_s=15)
    assert set(contacted) == {"127.0.0.1"}


@pytest.mark.parametrize(
    "cloud",
    [
        Stage(provider="openai-llm"),
        Stage(provider="openai-llm", options={"base_url": "https://api.example.com/v1"}),
        Stage(provider="ollama", options={"base_url": "https://ollama.example.com/v1"}),
    ],
)
def test_a_local_plan_with_a_member_outside_is_not_served(tmp_path, cloud):
    at = pipeline.Workshop(a_plan(mode="local", llm=(cloud,)), tmp_path, [])
    with pytest.raises(BrokenPlan, match="not in the house"):
        pipeline.pipeline_of(at)
