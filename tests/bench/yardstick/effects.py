"""FEATURES=…: ours with everything on, and without each switch, against each other."""

from dataclasses import replace

from tests.bench.yardstick import figures, paper
from tests.bench.yardstick.figures import Compared
from tests.bench.yardstick.rig import OURS, rig
from tests.bench.yardstick.run import Asked, facts, in_blocks, say_doubts
from tests.bench.yardstick.scenario import Sizes
from tests.e2e.stack import Stack

SIZES = Sizes(plain=16, faq=4, short=4, pauses=4, barges=0, blocks=2)  # there are many arms


async def effects(stack: Stack, asked: Asked) -> None:
    """A ratio below 1 is what the switch brings."""
    async with rig(stack, asked.profile, off=asked.off) as it:
        blocks = await in_blocks(it, asked)
    others = [name for name in it.arms if name != OURS]
    at = Compared(blocks.rows, OURS, others, asked.seed)
    found = [replace(f, target=None) for f in figures.latency(at, const=False)]
    found += figures.cost(at, {})[:2]
    tallied = figures.counts(at)
    print("\nTimes in ms, at the caller's ear. Ratio: all on, over without that one.")
    for name in others:
        print(f"\n{paper.table(found, OURS, [name])}\n\n{paper.tally(tallied, [OURS, name])}")
    whole = {
        **facts(asked, blocks, it.judge.wire),
        "metrics": [figure.plain() for figure in found],
        "counts": [count.plain() for count in tallied],
        "calls": [row.plain() for row in blocks.rows],
    }
    say_doubts(whole["doubts"])
    print(f"\nEvery turn: {paper.save(whole, 'features.json')}")
