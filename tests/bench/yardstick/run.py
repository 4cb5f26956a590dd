"""One run: blocks there and back, then the ramps, then what was found."""

import asyncio
import time
from dataclasses import asdict, dataclass, field
from typing import Any

from deploy.embedded import supervise
from tests.bench.yardstick import figures, paper, ramp, scenario, talk, workers
from tests.bench.yardstick.figures import Compared
from tests.bench.yardstick.judge import Row
from tests.bench.yardstick.picture import picture
from tests.bench.yardstick.ramp import Ramp
from tests.bench.yardstick.rig import BETWEEN_S, OURS, STOCK, TUNED, Arm, Held, Rig, rig
from tests.bench.yardstick.scenario import Item, Sizes
from tests.bench.yardstick.stats import block_order, percentile
from tests.bench.yardstick.talk import Talk
from tests.bench.yardstick.wire import Wire
from tests.e2e.stack import Stack

TRIES = 2  # for the turns of a call which was not answered
BESIDE = ("celery", "beat")  # parts of ours which the samples do not have


@dataclass(frozen=True, slots=True)
class Asked:
    """What the environment asks for."""

    sizes: Sizes
    profile: str
    seed: int
    off: tuple[str, ...] = ()  # switches of plan.Speed to be tried one by one
    at_once: int = 6  # most calls of a ramp; 0: no ramps
    step_s: int = 20


@dataclass(slots=True)
class Blocks:
    order: list[str]
    rows: list[Row] = field(default_factory=list)
    cpu_s: dict[str, float] = field(default_factory=dict)  # of each arm's worker in its blocks
    called_s: dict[str, float] = field(default_factory=dict)
    idle_cores: dict[str, float] = field(default_factory=dict)  # … in the blocks of the others

    def per_minute(self) -> dict[str, float | None]:
        return {
            arm: used / self.called_s[arm] * 60 if self.called_s.get(arm) else None
            for arm, used in self.cpu_s.items()
        }


async def run(stack: Stack, asked: Asked) -> None:
    async with rig(stack, asked.profile) as it:
        blocks = await in_blocks(it, asked)
        ramps = await _ramps(it, asked, blocks) if asked.at_once else {}
    at = Compared(blocks.rows, OURS, (TUNED, STOCK), asked.seed)
    found = [
        *figures.latency(at, const=asked.profile == "const"),
        *figures.cost(at, blocks.per_minute()),
        *(figures.density(at, ramps) if ramps else []),
    ]
    tallied = figures.counts(at)
    print(f"\nTimes in ms, at the caller's ear.\n{paper.table(found, OURS, at.others)}")
    print(f"\nBeside the speed:\n{paper.tally(tallied, at.arms)}")
    whole = {
        **facts(asked, blocks, it.judge.wire),
        "metrics": [figure.plain() for figure in found],
        "counts": [count.plain() for count in tallied],
        "ramps": {arm: one.plain() for arm, one in ramps.items()},
        "calls": [row.plain() for row in blocks.rows],
    }
    whole["doubts"] += _loaded(ramps)
    say_doubts(whole["doubts"])
    path = paper.save(whole, "latest.json")
    drawn = {arm: [t.content_ms for t in at.turns(arm, "plain")] for arm in at.arms}
    _draw(drawn, asked, whole["host"])
    print(f"\nEvery turn: {path}, picture beside it.")


def facts(asked: Asked, blocks: Blocks, wire: Wire) -> dict[str, Any]:
    return {
        "host": paper.host(),
        "asked": asdict(asked),
        "order": blocks.order,
        "lateness": paper.lateness(blocks.rows, wire),
        "idle_cores": blocks.idle_cores,
        "doubts": paper.doubts(blocks.rows, wire),
    }


def say_doubts(doubts: list[str]) -> None:
    if doubts:
        print(f"\nNOT SOUND, the machine was too busy: {'; '.join(doubts)}.")


def _loaded(ramps: dict[str, Ramp]) -> list[str]:
    return [
        f"callers and emulators took {step.generator_share:.0%} of the CPU with {step.calls} calls "
        f"to {arm}"
        for arm, one in ramps.items()
        for step in one.steps
        if step.passed and step.generator_share > ramp.GENERATOR_SHARE
    ]


def _draw(drawn: dict[str, Any], asked: Asked, host: dict[str, Any]) -> None:
    title = f"Voice to voice, providers “{asked.profile}”: turns answered by then"
    note = f"{host['date'][:10]}, {host['cpus']} cores, commit {host['commit'][:10]}"
    (paper.FOLDER / "latest.svg").write_text(picture(drawn, title, note))


# --- blocks ---------------------------------------------------------------------------------------


async def in_blocks(it: Rig, asked: Asked) -> Blocks:
    """The workers of the other arms stay up, idle: starting one takes more CPU than it saves."""
    rounds = scenario.rounds(asked.sizes, asked.seed)
    await talk.prepare([item for block in rounds for call in block for item in call])
    for arm in it.arms.values():
        await workers.settled(arm.worker)
        await it.warm(arm)
        print(f"  {arm.name} … warm", flush=True)
    blocks = Blocks(block_order(list(it.arms), asked.sizes.blocks, asked.seed))
    held: list[Held] = []
    for place, name in enumerate(blocks.order):
        number = blocks.order[:place].count(name)
        held += await _block(it, blocks, it.arms[name], number, rounds[number])
    blocks.rows = await it.judged(held)
    return blocks


async def _block(
    it: Rig, blocks: Blocks, arm: Arm, number: int, calls: list[list[Item]]
) -> list[Held]:
    held = []
    await workers.calm()
    before, begun = _cpu(it), time.monotonic()
    for items in calls:
        for _ in range(TRIES):
            held.append(await it.call(arm, number, items))
            print(f"  {arm.name:8} {number + 1}  {_line(held[-1].talk)}", flush=True)
            await asyncio.sleep(BETWEEN_S)
            if held[-1].talk.said:
                break
    talked = sum(one.talk.seconds for one in held)
    blocks.called_s[arm.name] = blocks.called_s.get(arm.name, 0.0) + talked
    _count_cpu(it, blocks, arm, before, time.monotonic() - begun)
    return held


def _cpu(it: Rig) -> dict[str, float]:
    return {name: workers.cpu_s(arm.worker.pid) for name, arm in it.arms.items()}


def _count_cpu(it: Rig, blocks: Blocks, arm: Arm, before: dict[str, float], took: float) -> None:
    used = {name: after - before[name] for name, after in _cpu(it).items()}
    blocks.cpu_s[arm.name] = blocks.cpu_s.get(arm.name, 0.0) + used[arm.name]
    for name, seconds in used.items():
        if it.arms[name].worker is not arm.worker:
            known = blocks.idle_cores.get(name, 0.0)
            blocks.idle_cores[name] = max(known, round(seconds / took, 3))


def _line(held: Talk) -> str:
    """By ear only: judged is later."""
    if held.call.status != 200:
        return f"not answered ({held.call.status})"
    turns = " ".join(f"{said.item.kind} {_ms(said.wait_ms)}" for said in held.said)
    return f"answer {_ms(held.call.ms('answered'))}, {turns}"


def _ms(value: float | None) -> str:
    return "never" if value is None else f"{value:.0f}"


# --- ramps ----------------------------------------------------------------------------------------


async def _ramps(it: Rig, asked: Asked, blocks: Blocks) -> dict[str, Ramp]:
    """Each arm alone, its worker started afresh."""
    for arm in it.arms.values():
        await arm.worker.stop()
    found = {}
    for name in (OURS, STOCK, TUNED):
        arm = it.arms[name]
        if name != OURS:
            for part in BESIDE:
                await asyncio.to_thread(supervise.stop, it.stack.home, part)
        await arm.worker.start()
        await workers.settled(arm.worker)
        await it.warm(arm)
        await workers.settled(arm.worker)
        turns = [t for row in blocks.rows if row.arm == name for t in row.turns]
        one = percentile([t.content_ms for t in turns if t.kind == "plain"], 0.95)
        found[name] = await ramp.ramp(it, arm, asked.at_once, one, step_s=asked.step_s)
        for step in found[name].steps:
            print(f"  {name:8} {step.calls} calls  {_step(step)}", flush=True)
        await arm.worker.stop()
    return found


def _step(step: ramp.Step) -> str:
    good = "good" if step.passed else "not good"
    return (
        f"{good}, voice to voice p95 {_ms(step.p95_ms)} of {step.turns}, "
        f"{step.pss_mib:.0f} MiB, agent {step.agent_cores:.2f} cores"
    )
