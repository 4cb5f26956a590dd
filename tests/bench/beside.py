"""`make bench-beside`: do calls feel what is found out about other calls after their end?

Blocks without and with analyses beside (A B B A), LINES (2) calls at once, ROUNDS (4) times a
block, two questions a call. Celery never runs out of work in a B: it goes through copies of calls
which were really held, every step of each, with dispositions, fields and criteria.
"""

import asyncio
import os
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field

import psutil

from telephony import demo
from tests.bench import report
from tests.bench.call import running
from tests.bench.talk import Question, Row, questions, talk
from tests.e2e.stack import Stack

LINES, ROUNDS = int(os.environ.get("LINES", "2")), int(os.environ.get("ROUNDS", "4"))
QUESTIONS = 2  # a call
COPIES = 4000
ORDER = "ABBA"

COPY = """
from agents.models import Project
from recordings.models import JournalEntry, Transcript
from telephony.models import Call
from tests.recordings.after_cases import wanting
wanting(Project.objects.get(slug={project!r}))
held = list(Call.objects.filter(transcript__isnull=False, answered_at__isnull=False))
for n in range({copies}):
    call = held[n % len(held)]
    entries = list(JournalEntry.objects.filter(call=call))
    transcript = Transcript.objects.get(call=call)
    copy = Call.objects.get(pk=call.pk)
    copy.pk, copy.room, copy.sip_call_id = None, f"{{call.room}}_{{n}}", f"{{n}}"
    copy.save(force_insert=True)
    for entry in entries:
        entry.pk, entry.call, entry.journal = None, copy, f"{{entry.journal[:50]}}_{{n}}"
    JournalEntry.objects.bulk_create(entries)
    transcript.pk, transcript.call = None, copy
    transcript.save(force_insert=True)
"""
BEGIN = """
from django.utils import timezone
from recordings import after
from telephony.models import Call
from django.db import transaction
with transaction.atomic():
    fresh = Call.objects.filter(transcript__isnull=False, after_steps=None)
    for pk in fresh.values_list("pk", flat=True)[:{count}]:
        after.begin(call_id=pk, now=timezone.now())
"""
STOP = """
from recordings.models import AfterStep
AfterStep.objects.filter(state="wanted").delete()
"""


@dataclass(slots=True)
class Arm:
    rows: list[Row] = field(default_factory=list)
    steps: int = 0  # done meanwhile
    seconds: float = 0.0
    celery_s: float = 0.0  # of a core


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="cc-bench-") as folder, running(folder) as stack:
        arms = asyncio.run(measured(stack))
    lines = [line for name, arm in arms.items() for line in shown(name, arm)]
    print(f"\nTimes in ms, at the caller.\n{report.table(lines)}")
    for name, arm in arms.items():
        print(f"{name}: {arm.steps} steps of analyses in {arm.seconds:.0f} s, "
              f"Celery took {arm.celery_s / arm.seconds:.2f} of a core")  # fmt: skip
    turns = {name: shown(name, arm)[2] for name, arm in arms.items()}
    for share in ("p50", "p95"):
        ratio = getattr(turns["beside"], share) / getattr(turns["alone"], share)
        print(f"FAQ turn, {share}: {ratio:.2f} × beside analyses")
    return 0


async def measured(stack: Stack) -> dict[str, Arm]:
    arms = {"alone": Arm(), "beside": Arm()}
    asked = iter(await questions((len(ORDER) * ROUNDS + 1) * LINES * QUESTIONS))
    await _round(stack, 9, asked)  # what is copied, and a warm-up
    project = demo.SLUG
    await asyncio.to_thread(
        stack.manage, "shell", "-c", COPY.format(project=project, copies=COPIES)
    )
    for block, name in enumerate("alone" if arm == "A" else "beside" for arm in ORDER):
        if name == "beside":
            await asyncio.to_thread(
                stack.manage, "shell", "-c", BEGIN.format(count=COPIES // ORDER.count("B"))
            )
        await asyncio.sleep(12)  # the sweep comes every 10 s
        await _block(stack, block, arms[name], asked)
        if name == "beside":
            left = stack.rows("select count(*) n from recordings_afterstep where state = 'wanted'")
            print(f"  {left[0]['n']} steps were left to do")
            await asyncio.to_thread(stack.manage, "shell", "-c", STOP)
    return arms


async def _block(stack: Stack, block: int, arm: Arm, asked: Iterator[Question]) -> None:
    begun, before, used = asyncio.get_running_loop().time(), _done(stack), _celery_s(stack)
    for n in range(ROUNDS):
        arm.rows += await _round(stack, block * ROUNDS + n + 10, asked)
        turns = [turn.reaction_ms for row in arm.rows[-LINES:] for turn in row.turns]
        print(f"  block {block + 1}: {' '.join(f'{ms or 0:.0f}' for ms in turns)}", flush=True)
    arm.seconds += asyncio.get_running_loop().time() - begun
    arm.steps += _done(stack) - before
    arm.celery_s += _celery_s(stack) - used


def _done(stack: Stack) -> int:
    query = "select count(*) n from recordings_afterstep where state in ('done', 'skipped')"
    return int(stack.rows(query)[0]["n"])


def _celery_s(stack: Stack) -> float:
    parent = psutil.Process(stack.pid("celery"))
    times = [process.cpu_times() for process in (parent, *parent.children(recursive=True))]
    return sum(spent.user + spent.system for spent in times)


async def _round(stack: Stack, number: int, asked: Iterator[Question]) -> list[Row]:
    calls: list[list[Question]] = [[next(asked) for _ in range(QUESTIONS)] for _ in range(LINES)]
    return await asyncio.gather(
        *(talk(stack, f"+1202556{number:02}{n:02}", mine) for n, mine in enumerate(calls))
    )


def shown(name: str, arm: Arm) -> list[report.Line]:
    turns = [turn for row in arm.rows for turn in row.turns]
    return [
        report.line(f"{name}: INVITE → 200", [row.answer_ms for row in arm.rows]),
        report.line(f"{name}: answer → greeting", [row.greeting_ms for row in arm.rows]),
        report.line(f"{name}: FAQ turn", [turn.reaction_ms for turn in turns]),
        report.line(f"{name}: sent late (p99 a call)", [r.send_late_p99_ms for r in arm.rows]),
        report.line(f"{name}: hang-up → transcript", [row.transcript_ms for row in arm.rows]),
        report.counted(f"{name}: right answers", sum(t.right for t in turns), len(turns)),
    ]


if __name__ == "__main__":
    sys.exit(main())
