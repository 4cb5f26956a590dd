import json

import pytest

from agents.plan import CallPlan, UnknownPlanFormat, digest_of
from agents.worker import plans
from agents.worker.desk import Desk
from agents.worker.keeper import Keeper
from agents.worker.plans import PlanMissing
from agents.worker.prepared import Prepared
from tests.fakes.desk import TOKEN, FakeDesk
from tests.worker.plan import a_config, a_plan

pytestmark = pytest.mark.worker


async def test_a_plan_comes_from_the_control_plane_and_stays_when_that_is_away(tmp_path):
    plan = a_plan()
    async with FakeDesk() as fake, Desk(fake.url, TOKEN) as desk:
        fake.plans[plan.digest()] = plan.to_json()
        assert await plans.load(tmp_path, plan.digest(), desk) == plan
        fake.away = True
        assert await plans.load(tmp_path, plan.digest(), desk) == plan


async def test_a_plan_which_is_not_what_its_digest_says_is_refused_and_not_kept(tmp_path):
    plan = a_plan()
    async with FakeDesk() as fake, Desk(fake.url, TOKEN) as desk:
        fake.plans[plan.digest()] = a_plan(greeting="Forged.").to_json()
        with pytest.raises(PlanMissing, match="digest"):
            await plans.load(tmp_path, plan.digest(), desk)
    assert plans.from_disk(tmp_path, plan.digest()) is None


async def test_a_plan_damaged_on_disk_is_fetched_again(tmp_path):
    plan = a_plan()
    async with FakeDesk() as fake, Desk(fake.url, TOKEN) as desk:
        fake.plans[plan.digest()] = plan.to_json()
        await plans.load(tmp_path, plan.digest(), desk)
        file = tmp_path / plan.digest() / "plan.json"
        file.write_text(file.read_text().replace("Northwind", "Southwind"))
        assert await plans.load(tmp_path, plan.digest(), desk) == plan


def test_a_plan_of_the_release_before_is_read():
    """Format 1 had one provider for each role, and nothing about speed."""
    old = json.loads(a_plan().to_json()) | {"format": 1}
    for name in ("filler", "fallback_number", "mode", "turn_detector", "speed"):
        del old[name]
    for role in ("stt", "llm", "tts"):
        (stage,) = old[role]
        old[role] = {k: v for k, v in stage.items() if k not in {"account", "expected_ms"}}
    for entry in old["faq"]:
        del entry["live"]
    assert CallPlan.from_json(json.dumps(old)) == a_plan()


async def test_a_plan_of_a_later_format_says_what_to_upgrade(tmp_path):
    text = json.dumps({**json.loads(a_plan().to_json()), "format": 99})
    async with FakeDesk() as fake, Desk(fake.url, TOKEN) as desk:
        fake.plans[digest_of(text)] = text
        with pytest.raises(UnknownPlanFormat, match="Upgrade the worker"):
            await plans.load(tmp_path, digest_of(text), desk)


@pytest.mark.parametrize("digest", ["", "../../etc/passwd", "0" * 63])
def test_a_dispatch_without_a_proper_digest_never_becomes_a_path(tmp_path, digest):
    with pytest.raises(PlanMissing, match="Publish"):
        plans.from_disk(tmp_path, digest)


async def test_the_keeper_prepares_live_plans_and_goes_on_with_them_without_django(tmp_path):
    plan, broken = a_plan(faq=a_plan().faq[:1]), "this is no plan"
    async with FakeDesk() as fake, Desk(fake.url, TOKEN) as desk:
        config = a_config(tmp_path, url=fake.url)
        fake.plans = {plan.digest(): plan.to_json(), digest_of(broken): broken}
        keeper = Keeper(config, desk)
        keeper.idle = lambda: 3
        await keeper.look()
        assert keeper.ready == [plan.digest()]
        assert not (tmp_path / "ready.json").exists(), "not registered yet"

        fake.away, keeper.registered = True, True
        await keeper.look()
        assert json.loads((tmp_path / "ready.json").read_text())["plans"] == [plan.digest()]
    ready = Prepared.load(config.plans_dir / plan.digest(), plan)
    assert ready.has(plan.greeting)
    assert ready.has(plan.faq[0].answer)
    assert 0.8 < ready.seconds(plan.greeting) < 3
