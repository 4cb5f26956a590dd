"""Pictures, exports and retention among many calls, on PostgreSQL: `make bench-keeping`.

Two databases on one server, the larger ten times the smaller (LARGE, 1,000,000 calls; each with a
transcript, a question in every tenth), asked in turns by a process each. The figure is how much
slower the larger one is: the overview's page over 30 days, an export of 10,000 calls as CSV and as
JSON into a store in memory, what a night would delete, and a night in which 2,000 calls became due.
"""

import json
import logging
import os
import statistics
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.bench import pair

LARGE = int(os.environ.get("LARGE") or 1_000_000)
SMALL = LARGE // 10
ROUNDS = int(os.environ.get("ROUNDS") or 5)
EXPORTED = min(10_000, SMALL)
DUE = 2_000  # calls a night
APART_S = 20  # between two calls
NEWEST = datetime(2026, 11, 21, tzinfo=UTC)

FILL = """
insert into recordings_transcript (call_id, language, text, segments, built_at, spoken_at)
select id, 'en', 'What are your opening hours?', %s::jsonb, ended_at, ended_at from telephony_call;
insert into recordings_askedquestion (call_id, project_id, at, how, text, cluster)
select id, project_id, started_at, (array['known', 'answered', 'lost'])[1 + id %% 3],
    'Question ' || id %% 700 || '?', 'question ' || id %% 700
from telephony_call where id %% 10 = 0;
insert into recordings_hourfigure (project_id, hour, calls, answered, abandoned, contained,
    transferred, handover, repeated, seconds)
select project_id, date_trunc('hour', started_at), count(*), count(*), 0, count(*), 0, 0, 0,
    60 * count(*)
from telephony_call group by 1, 2;
"""
TURNS = [
    {"who": who, "text": "What are your opening hours?", "start_ms": n * 4000, "end_ms": 3000}
    for n, who in enumerate(("agent", "caller") * 3)
]


def child(count: int) -> None:
    """Makes the calls, then answers each line on stdin with the times of a round as JSON."""
    pair.as_installed()
    logging.disable(logging.INFO)
    kinds = _prepared(count)
    print(json.dumps({"ready": count}), flush=True)
    for at, _ in enumerate(sys.stdin):
        print(json.dumps({name: _timed(work, at) for name, work in kinds.items()}), flush=True)


def _timed(work: Callable[[int], object], at: int) -> dict[str, float]:
    from django.db import connection, reset_queries
    from django.test.utils import CaptureQueriesContext

    reset_queries()  # the log holds so many and no more
    begun = time.perf_counter()
    with CaptureQueriesContext(connection) as queries:
        work(at)
    return {"ms": (time.perf_counter() - begun) * 1000, "queries": len(queries)}


def _prepared(count: int) -> dict[str, Callable[[int], object]]:
    from django.contrib.auth.models import User
    from django.core.management import call_command
    from django.db import connection
    from django.test import Client

    call_command("migrate", verbosity=0)
    from recordings import keeping
    from recordings.models import KeepRule
    from telephony.models import Call
    from tests.bench import history
    from tests.factories import make_project
    from tests.fakes.bucket import FakeBucket

    for n in range(5):
        make_project(slug=f"p{n}", name=f"Project {n}")
    with connection.cursor() as cursor:
        cursor.execute(history.FILL, [count])
        cursor.execute(FILL, [json.dumps(TURNS)])
        cursor.execute("vacuum analyze")
    user = User.objects.create_superuser("ann", password="a-long-password-for-tests")
    client = Client()
    client.force_login(user)
    newest = list(Call.objects.order_by("-pk").values_list("pk", flat=True)[:EXPORTED])
    KeepRule.objects.create(transcript_days=90)
    oldest = NEWEST - timedelta(seconds=count * APART_S)

    def overview(_: int) -> None:
        path = "/admin/recordings/hourfigure/?first=2026-10-23&last=2026-11-21"
        answer = client.get(path)
        assert answer.status_code == 200, answer
        assert b"Question " in answer.content

    def export(format: str) -> Callable[[int], None]:
        return lambda _: _export(newest, format, user, FakeBucket())

    def tonight(at: int) -> datetime:
        return oldest + timedelta(days=90, seconds=(at + 1) * DUE * APART_S)

    def what_if(at: int) -> None:
        due = keeping.what_if(now=tonight(at))
        assert DUE - 10 <= sum(one.calls for one in due) <= DUE + 10, [one.calls for one in due]

    def night(at: int) -> None:
        now = tonight(at)
        far = datetime.now(UTC) + timedelta(hours=1)
        assert not keeping.run(bucket=FakeBucket(), now=now, until=far)

    return {
        "overview, 30 days": overview, "export, CSV": export("csv"), "export, JSON": export("json"),
        "what a night would do": what_if, "a night": night,
    }  # fmt: skip


def _export(ids: list[int], format: str, user: Any, bucket: Any) -> None:
    from recordings import exports
    from recordings.slices import Until

    now = datetime.now(UTC)
    row = exports.request_export(ids=ids, format=format, words="all", user=user, now=now)
    while exports.go_on(export_id=row.pk, bucket=bucket, now=now, until=Until()):
        pass
    row.refresh_from_db()
    assert (row.state, row.total, row.left_out) == ("done", EXPORTED, 0), row.error


def main() -> None:
    _report(pair.compared("tests.bench.keeping", {"small": SMALL, "large": LARGE}, ROUNDS))


def _report(results: dict[str, list[Any]]) -> None:
    print(f"{'ms':24} {'small':>8} {'large':>8} {'longest':>8} {'growth':>6}  queries")
    for kind in results["small"][0]:
        times = {name: [one[kind]["ms"] for one in found] for name, found in results.items()}
        middle = {name: statistics.median(found) for name, found in times.items()}
        queries = max(round(one[kind]["queries"]) for one in results["large"])
        print(
            f"{kind:24} {middle['small']:8.0f} {middle['large']:8.0f} {max(times['large']):8.0f} "
            f"{middle['large'] / middle['small']:6.2f}  {queries}"
        )


if __name__ == "__main__":
    if sys.argv[1:2] == ["child"]:
        child(int(sys.argv[2]))
    else:
        main()
