"""How many calls at once, and what each of them costs in memory.

Calls are added one by one; each stays and asks plain questions until the end. The arm's worker is
the only one which runs.
"""

import asyncio
import itertools
import math
import time
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, field
from typing import Any

import psutil

from tests.bench.yardstick import scenario, talk, workers
from tests.bench.yardstick.judge import Row
from tests.bench.yardstick.rig import Arm, Held, Rig
from tests.bench.yardstick.scenario import Item
from tests.bench.yardstick.stats import percentile, slope
from tests.bench.yardstick.talk import Said, Talk

CORES = psutil.cpu_count() or 1
RAMP = -2  # the “block” of these calls
WORSE = 1.2  # p95 of voice to voice may be so much of that of one call
MEMORY_CALLS = 4  # memory is looked at with so many calls, whether or not they still go well …
MEMORY_S = 8.0  # … a shorter step will do for that
GENERATOR_SHARE = 0.25  # of all CPU; callers and emulators using more measure themselves


@dataclass(slots=True)
class Step:
    calls: int
    talking: int  # of these: an unanswered one does not
    begun: float
    ended: float = 0.0
    turns: int = 0
    p95_ms: float | None = None
    passed: bool = False
    pss_mib: float = 0.0
    agent_cores: float = 0.0
    generator_share: float = 0.0


@dataclass(slots=True)
class Ramp:
    arm: str
    one_call_p95_ms: float | None
    idle_pss_mib: float = 0.0
    steps: list[Step] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)

    @property
    def most(self) -> int:
        """Up to the first step which did not go well."""
        good = itertools.takewhile(lambda step: step.passed, self.steps)
        return max((step.calls for step in good), default=0)

    @property
    def per_core(self) -> float:
        return self.most / CORES

    @property
    def mib_per_call(self) -> float | None:
        points = [(0.0, self.idle_pss_mib)]
        points += [(float(s.talking), s.pss_mib) for s in self.steps if s.calls <= MEMORY_CALLS]
        return slope(points)

    def plain(self) -> dict[str, Any]:
        more = {"most": self.most, "per_core": self.per_core, "mib_per_call": self.mib_per_call}
        steps = [asdict(step) for step in self.steps]
        return more | {
            "one_call_p95_ms": self.one_call_p95_ms,
            "idle_pss_mib": self.idle_pss_mib,
            "steps": steps,
            "calls": [row.plain() for row in self.rows],
        }


async def ramp(rig: Rig, arm: Arm, most: int, one_call: float | None, *, step_s: float) -> Ramp:
    """`one_call`: voice to voice (p95, ms) of this arm with one call."""
    found = Ramp(arm.name, one_call, idle_pss_mib=workers.pss_mib(arm.worker.pid))
    await talk.prepare([item for number in range(most) for item in _questions(number)])
    async with AsyncExitStack() as lines:
        crowd = _Crowd(rig, arm, lines)
        for calls in range(1, most + 1):
            good = all(step.passed for step in found.steps)
            if calls > MEMORY_CALLS and not good:
                break
            found.steps.append(await _step(crowd, calls, step_s if good else MEMORY_S))
            _by_ear(found.steps[-1], crowd.said(), one_call)
        await crowd.hang_up()
    _by_marker(found, await crowd.judged(), one_call)
    return found


async def _step(crowd: "_Crowd", calls: int, step_s: float) -> Step:
    step = Step(calls, await crowd.add(), begun=time.monotonic())
    agent, generator = workers.cpu_s(crowd.worker.pid), generator_s()
    await asyncio.sleep(step_s)
    step.ended = time.monotonic()
    took = step.ended - step.begun
    step.agent_cores = (workers.cpu_s(crowd.worker.pid) - agent) / took
    step.generator_share = (generator_s() - generator) / took / CORES
    step.pss_mib = await asyncio.to_thread(workers.pss_mib, crowd.worker.pid)
    return step


def _by_ear(step: Step, said: list[Said], one_call: float | None) -> None:
    """While calls go on: by whatever was heard first. Only whether to go on depends on it."""
    mine = [one for one in said if step.begun <= one.end < step.ended]
    _judge(step, [one.wait_ms for one in mine], one_call)


def _by_marker(found: Ramp, rows: list[Row], one_call: float | None) -> None:
    """Afterwards: by the right answers."""
    found.rows = rows
    turns = [turn for row in rows for turn in row.turns]
    for step in found.steps:
        mine = [turn for turn in turns if step.begun <= turn.ended < step.ended]
        _judge(step, [turn.content_ms for turn in mine], one_call)


def _judge(step: Step, waits: list[float | None], one_call: float | None) -> None:
    """What never came counts as endless, so a missed turn fails a step."""
    step.turns, step.p95_ms = len(waits), percentile(waits, 0.95)
    in_time = step.p95_ms is not None and step.p95_ms <= WORSE * (one_call or math.inf)
    step.passed = step.talking == step.calls and in_time and None not in waits


def generator_s() -> float:
    """CPU of the callers (this process) and of the emulators."""
    me = psutil.Process()
    mine = me.cpu_times()
    emulators = [one for one in me.children() if "tests.emulators" in one.cmdline()]
    return mine.user + mine.system + sum(workers.cpu_s(one.pid) for one in emulators)


def _questions(seed: int) -> list[Item]:
    sizes = scenario.Sizes(plain=len(scenario.PLAIN), faq=0, short=0, pauses=0, barges=0, blocks=1)
    return [item for call in scenario.rounds(sizes, seed)[0] for item in call]


class _Crowd:
    """Callers who go on asking until all hang up."""

    def __init__(self, rig: Rig, arm: Arm, lines: AsyncExitStack) -> None:
        self._rig, self._arm, self._lines = rig, arm, lines
        self._calls: list[Held] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._over = False

    @property
    def worker(self) -> workers.Worker:
        return self._arm.worker

    async def add(self) -> int:
        """One more call; how many were answered so far."""
        caller = self._rig.caller()
        line = self._rig.stack.call(caller=caller, number=self._arm.number)
        held = Talk(await self._lines.enter_async_context(line))
        self._calls.append(Held(self._arm.name, RAMP, caller, held))
        if await talk.greeted(held):
            self._tasks.append(asyncio.create_task(self._ask(held, len(self._calls) - 1)))
        return len(self._tasks)

    async def _ask(self, held: Talk, seed: int) -> None:
        for item in itertools.cycle(_questions(seed)):
            if self._over or held.call.ended.is_set():
                break
            held.said.append(await talk.say(held.call, item))
        held.ended = time.monotonic()

    def said(self) -> list[Said]:
        return [one for held in self._calls for one in held.talk.said]

    async def hang_up(self) -> None:
        """After the turn each of them is in."""
        self._over = True
        await asyncio.gather(*self._tasks)
        await asyncio.gather(*(held.talk.call.hang_up() for held in self._calls))

    async def judged(self) -> list[Row]:
        return await self._rig.judged(self._calls)
