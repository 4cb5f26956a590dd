"""A real Celery worker in a process of its own, for tests which kill it.

    python -m tests.recordings.after_worker DATABASE CALL HOURS [STEP MARK]

It takes the task of one call from a queue in its memory, so many HOURS from now: what those before
it had claimed is given back. In STEP it writes MARK once the step's work is done, and then waits to
be killed. Without STEP it ends by itself.
"""

import os
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Any


def main(database: str, call_id: int, hours: int, step: str = "", mark: str = "") -> None:
    os.environ["DATABASE_URL"] = f"sqlite:///{database}"
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    import django

    django.setup()
    from django.utils import timezone

    from contactcenter.celery import app
    from recordings import after, after_steps, tasks

    app.conf.update(broker_url="memory://", beat_schedule={})
    timezone.now = later(timezone.now, hours)
    after.release_lost(now=timezone.now())
    if step:
        after_steps.DO[step] = hanging(after_steps.DO[step], Path(mark))
    app.set_current()
    worker = app.Worker(pool="solo", concurrency=1, loglevel="ERROR", without_gossip=True,
                        without_mingle=True, without_heartbeat=True)  # fmt: skip
    tasks.after_call.delay(call_id=call_id)
    if not step:
        ended = tasks.after_call.run

        def run(**told: Any) -> None:
            ended(**told)
            os._exit(0)

        setattr(app.tasks[tasks.after_call.name], "run", run)  # noqa: B010
    worker.start()


def hanging(work, mark: Path):
    def step(call, now):
        outcome = work(call, now)
        mark.write_text("reached")
        time.sleep(600)
        return outcome

    return step


def later(now, hours: int):
    return lambda: now() + timedelta(hours=hours)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), *sys.argv[4:])
