"""The list of calls among 10,000 and among 1,000,000 calls, on PostgreSQL: `make bench-history`.

Two databases on one server, asked in turns by a process each, through the whole of Django: session,
permissions, template. The figure is how much slower the larger one is. LARGE=… takes another size.
"""

import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

from tests.bench import pair

SMALL, LARGE = 10_000, int(os.environ.get("LARGE", "1000000"))
BLOCKS, EACH = 6, 8  # requests of each kind: their product
LIST = "/admin/telephony/call/"

FILL = """
insert into telephony_call (room, direction, room_sid, sip_call_id, caller, called, state,
    end_reason, started_at, answered_at, ended_at, last_seen_at, ended_by, handover_requested,
    plan_digest, trunk_id, number_id, project_id)
select 'call_' || n, 'inbound', 'RM_' || n, 'SCL_' || n,
    '+1202' || lpad(((n::bigint * 7919) %% 10000000)::text, 7, '0'), '+12025550100',
    case when n %% 20 = 0 then 'failed' else 'ended' end, 'caller',
    moment, moment, moment + interval '1 minute', moment, '', false, '', null, null,
    (select min(id) from agents_project) + n %% 5
from (select n, timestamptz '2026-11-21' - n * interval '20 seconds' as moment
      from generate_series(1, %s) n) rows
"""


def child(count: int) -> None:
    """Makes the calls, then answers each line on stdin with the times of a block as JSON."""
    pair.as_installed()
    ask = _prepared(count)
    print(json.dumps({"ready": count}), flush=True)
    for _ in sys.stdin:
        print(json.dumps(_block(ask)), flush=True)


def _prepared(count: int) -> Callable[[str], int]:
    from django.contrib.auth.models import User
    from django.core.management import call_command
    from django.db import connection
    from django.test import Client
    from django.test.utils import CaptureQueriesContext

    call_command("migrate", verbosity=0)
    from tests.factories import make_project

    for n in range(5):
        make_project(slug=f"p{n}", name=f"Project {n}")
    with connection.cursor() as cursor:
        cursor.execute(FILL, [count])
        cursor.execute("vacuum analyze")
    user = User.objects.create_superuser("ann", password="a-long-password-for-tests")
    client = Client()
    client.force_login(user)

    def ask(path: str) -> int:
        with CaptureQueriesContext(connection) as queries:
            answer = client.get(path)
        assert answer.status_code == 200, answer
        assert b"+1 202" in answer.content or "q=99999999" in path, path
        return len(queries)

    _ask_kinds.update(_kinds(count))
    return ask


_ask_kinds: dict[str, str] = {}


def _kinds(count: int) -> dict[str, str]:
    from agents.models import Project
    from telephony.models import Call

    deep = Call.objects.order_by("-started_at", "-pk")[count * 9 // 10]
    first = Project.objects.order_by("pk")[0]
    return {
        "first page": LIST,
        "state": f"{LIST}?state=failed",
        "project": f"{LIST}?project__id__exact={first.pk}",
        "days": f"{LIST}?started_at_from=2026-11-20&started_at_to=2026-11-20",
        "deep page": f"{LIST}?before={deep.started_at.isoformat().replace('+', '%2B')},{deep.pk}",
        "number": f"{LIST}?q={deep.caller.removeprefix('+1')}",
        "nobody": f"{LIST}?q=99999999",
    }


def _block(ask: Callable[[str], int]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for kind, path in _ask_kinds.items():
        times = []
        for _ in range(EACH):
            begun = time.perf_counter()
            queries = ask(path)
            times.append((time.perf_counter() - begun) * 1000)
        found[kind] = {"ms": times, "queries": queries}
    return found


def main() -> None:
    _report(pair.compared("tests.bench.history", {"small": SMALL, "large": LARGE}, BLOCKS))


def _report(results: dict[str, list[Any]]) -> None:
    print(f"{'':12} {'small p50':>9} {'p95':>6} {'large p50':>9} {'p95':>6} {'growth':>6}  queries")
    for kind in results["small"][0]:
        times = {n: [t for b in blocks for t in b[kind]["ms"]] for n, blocks in results.items()}
        middle = {name: statistics.median(found) for name, found in times.items()}
        p95 = {name: statistics.quantiles(found, n=20)[-1] for name, found in times.items()}
        queries = max(block[kind]["queries"] for block in results["large"])
        print(
            f"{kind:12} {middle['small']:9.1f} {p95['small']:6.1f} {middle['large']:9.1f} "
            f"{p95['large']:6.1f} {middle['large'] / middle['small']:6.2f}  {queries}"
        )


if __name__ == "__main__":
    if sys.argv[1:2] == ["child"]:
        child(int(sys.argv[2]))
    else:
        main()
