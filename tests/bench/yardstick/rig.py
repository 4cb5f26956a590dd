"""What a run needs: the product, the emulators and the arms, each on loopback, all ended again."""

import signal
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from deploy.embedded.home import Trouble
from tests.bench.yardstick import lines, scenario, talk
from tests.bench.yardstick.judge import Judge, Row
from tests.bench.yardstick.scenario import Item
from tests.bench.yardstick.talk import Talk
from tests.bench.yardstick.wire import Wire
from tests.bench.yardstick.workers import Product, Worker, sample
from tests.e2e.ears import Ears
from tests.e2e.stack import Stack
from tests.emulators.server import Emulators
from tests.emulators.spawned import Spawned

OURS, STOCK, TUNED = "ours", "stock", "tuned"
FIRST_S = 90  # until a line answers its first call
BETWEEN_S = 1.0  # calls
WARM = -1  # the “block” of an arm's first call


@dataclass(frozen=True, slots=True)
class Arm:
    name: str
    number: str
    worker: Worker


@dataclass(frozen=True, slots=True)
class Held:
    """A call which was held."""

    arm: str
    block: int
    caller: str
    talk: Talk


@dataclass(slots=True)
class Rig:
    stack: Stack
    emulators: Spawned
    judge: Judge
    arms: dict[str, Arm] = field(default_factory=dict)
    _callers: int = 0

    def caller(self) -> str:
        self._callers += 1
        return f"+1202556{self._callers:04}"

    async def call(self, arm: Arm, block: int, items: list[Item]) -> Held:
        """One call. It is judged later: that takes CPU, by which the stock worker decides whether
        to take calls."""
        caller = self.caller()
        async with self.stack.call(caller=caller, number=arm.number) as call:
            return Held(arm.name, block, caller, await talk.hold(call, items))

    async def judged(self, calls: Iterable[Held]) -> list[Row]:
        await self.judge.wire.read()
        return [await self.judge.row(one.arm, one.block, one.caller, one.talk) for one in calls]

    async def warm(self, arm: Arm) -> None:
        """The first call of an arm is not counted. Its line may need some seconds to be there."""
        end = time.monotonic() + FIRST_S
        while (status := (await self.call(arm, WARM, [])).talk.call.status) != 200:
            if time.monotonic() > end:
                raise Trouble(f"The line of “{arm.name}” does not answer (status {status}).")


@contextmanager
def product(folder: str) -> Iterator[Stack]:
    """The whole product in a folder of its own, as installed, whatever .env says."""
    stack = Stack(
        Path(folder),
        DATABASE_URL=f"sqlite:///{folder}/db.sqlite3",
        MAX_CONCURRENT_JOBS="20",
        NO_AGENT_SECONDS="6",
        LIVEKIT_UDP_PORTS="56000-56400",
        SIP_RTP_PORTS="16000-16400",
    )
    try:
        stack.up()
        yield stack
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C would leave it running
        stack.down()


@asynccontextmanager
async def rig(stack: Stack, profile: str, *, off: tuple[str, ...] = ()) -> AsyncIterator[Rig]:
    """Emulators and arms: stock, tuned, ours; or ours, and ours without each switch of `off`."""
    async with Emulators.spawn(profile, scenario.script(), marked=True) as emulators:
        ears = Ears(set(scenario.answers().values()) | {scenario.FILLER})
        made = Rig(stack, emulators, Judge(Wire(emulators), ears))
        numbers = {OURS: ("+12025550150", "")}
        numbers |= {f"without-{name}": (f"+120255502{n:02}", name) for n, name in enumerate(off)}
        numbers = {slug.replace("_", "-"): value for slug, value in numbers.items()}
        ours = Product(stack)
        made.arms = {slug: Arm(slug, number, ours) for slug, (number, _) in numbers.items()}
        try:
            if not off:
                await _theirs(made)
            await lines.ours(stack, emulators, numbers)
            yield made
        finally:
            for arm in made.arms.values():
                if arm.worker is not ours:
                    await arm.worker.stop()


async def _theirs(made: Rig) -> None:
    urls = {name: made.emulators.url(name) for name in lines.PROVIDERS.values()}
    for name, number in ((STOCK, "+12025550151"), (TUNED, "+12025550152")):
        await lines.theirs(made.stack, f"yardstick-{name}", number)
        module = f"tests.bench.yardstick.{name}"
        made.arms[name] = Arm(name, number, sample(module, made.stack, urls, scenario.GREETING))
        await made.arms[name].worker.start()
