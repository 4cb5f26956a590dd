"""`make bench-search`: words among 1,000,000 turns on PostgreSQL, against `icontains` in one run.

A real server, TURNS turns (1,000,000) of calls made by SQL from a vocabulary whose words are as
unequally frequent as a language's (Zipf). Each kind of query is asked through the product's door
(`recordings.search.find`, with the permission of a user and the rows of the page), in turn with
`text__icontains` on the same rows, newest first: on the table as it is, and on a copy with an index
on the time. Then journal entries are posted to the real view, and asked for until they are found.

ROUNDS (25) of different words a kind; SEED (7). Takes some minutes on two idle cores.
"""

import json
import os
import random
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice, product
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
TURNS = int(os.environ.get("TURNS") or 1_000_000)
ROUNDS = int(os.environ.get("ROUNDS") or 25)
NAIVE_ROUNDS = max(2, ROUNDS // 8)  # each takes about a second
FRESH = int(os.environ.get("FRESH") or 40)
SEED = int(os.environ.get("SEED") or 7)
A_CALL = 12  # turns
VOCABULARY = 40_000
LIMIT = 50
PHRASES = 400  # sayings which some turns contain
# the first of the Zipf list
COMMON = ("the", "you", "to", "i", "a", "is", "of", "and", "we", "for")
SYLLABLES = [c + v for c in "bdfghklmnprstvz" for v in ("a", "e", "i", "o", "u", "an", "er", "in")]

CALLS = """
insert into telephony_call (room, direction, room_sid, sip_call_id, caller, called, state,
    end_reason, started_at, answered_at, ended_at, last_seen_at, ended_by, handover_requested,
    plan_digest, trunk_id, number_id, project_id)
select 'call_' || n, 'inbound', '', '',
    '+1202' || lpad(((n::bigint * 7919) %% 10000000)::text, 7, '0'), '+12025550100',
    'ended', case when n %% 50 = 0 then 'providers' else 'caller' end,
    moment, moment, moment + interval '1 second' * (30 + n * 37 %% 600), moment, '', false, '',
    null, null, (select min(id) from agents_project) + n %% 5
from (select n, timestamptz '2026-11-21' - n * interval '90 seconds' as moment
      from generate_series(1, %s) n) rows
"""
COPY = """
copy recordings_spokenturn (call_id, n, who, text, words, start_ms, end_ms, via, interrupted,
    confidence, provider, started_at, project_id) from stdin
"""
FAULTS = """
insert into recordings_journalentry (call_id, journal, n, ms, at, kind, data)
select id, 'j' || id, k, k * 1000, started_at,
    case when k = 5 and id % 200 = 0 then 'error' when k = 6 and id % 20 = 0 then 'switch'
    else 'turn' end, '{}'
from telephony_call cross join generate_series(1, 8) k
"""
NAIVE = """
create table bench_naive as select id, call_id, n, text, started_at from recordings_spokenturn;
create index on bench_naive (started_at desc, call_id desc, n);
"""


@dataclass(slots=True)
class Kind:
    """One kind of query: how each of its rounds is asked, and how long it took."""

    name: str
    queries: list[str]
    filters: dict[str, Any] = field(default_factory=dict)
    ours: list[float] = field(default_factory=list)
    asking: list[float] = field(default_factory=list)  # of it, waiting for the database
    cpu: list[float] = field(default_factory=list)  # of both processes
    plain_cpu: list[float] = field(default_factory=list)
    plain: list[float] = field(default_factory=list)
    indexed: list[float] = field(default_factory=list)
    hits: list[int] = field(default_factory=list)
    unfinished: int = 0  # pages which were not full and said so


def main() -> int:
    sys.path.insert(0, str(ROOT))
    from tests import postgres

    with postgres.running() as url:
        os.environ["DATABASE_URL"] = url
        os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
        import django

        django.setup()
        return _run()


def _run() -> int:
    from django.conf import settings
    from django.core.management import call_command

    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
    settings.ALLOWED_HOSTS = ["*"]
    call_command("migrate", verbosity=0)
    begun = time.perf_counter()
    words, sayings = _fill()
    print(f"{TURNS:,} turns made in {time.perf_counter() - begun:.0f} s. {_sizes()}", flush=True)
    viewer = _viewer()
    kinds = _kinds(words, sayings)
    problems = _check(kinds, viewer)
    _ask(kinds, viewer)
    fresh = _freshness(viewer)
    _report(kinds, fresh, problems)
    return 1 if problems else 0


# --- rows ----------------------------------------------------------------------------------------


def _fill() -> tuple[list[str], list[str]]:
    from django.db import connection

    from tests.factories import make_project

    rng = random.Random(SEED)
    words = list(dict.fromkeys([*COMMON, *(_word(rng) for _ in range(VOCABULARY * 3))]))
    words = words[:VOCABULARY]
    sayings = [" ".join(rng.sample(words[300:6000], 2)) for _ in range(PHRASES)]
    for n in range(5):
        make_project(slug=f"p{n}", name=f"Project {n}")
    with connection.cursor() as cursor:
        cursor.execute("select pg_get_indexdef('spoken_turn_terms'::regclass)")
        (index,) = cursor.fetchone()
        cursor.execute("drop index spoken_turn_terms")  # made at once, as pg_restore does
        cursor.execute(CALLS, [-(-TURNS // A_CALL)])
        cursor.execute("select id, started_at, project_id from telephony_call order by id")
        calls = cursor.fetchall()
        with cursor.copy(COPY) as copy:
            for row in _turns(calls, words, sayings, rng):
                copy.write_row(row)
        for statement in (index, FAULTS, NAIVE):
            cursor.execute(statement)
        cursor.execute("vacuum analyze")
    return words, sayings


def _turns(
    calls: list[Any], words: list[str], sayings: list[str], rng: random.Random
) -> Iterator[tuple[Any, ...]]:
    """Rank = size ^ random: how often a word comes falls with its rank as 1 / rank."""
    size = len(words)
    numbers = product(range(len(calls)), range(A_CALL))
    for call, n in islice(numbers, TURNS):
        pk, at, project = calls[call]
        said = [words[int(size ** rng.random()) - 1] for _ in range(rng.randint(4, 19))]
        if rng.random() < 1 / 40:
            said.insert(rng.randint(0, 4), rng.choice(sayings))
        text = " ".join(said)
        yield (
            pk, n, ("agent", "caller")[n % 2], text, text, n * 4000, n * 4000 + 3000, "speech",
            False, 0.9, "", at, project,
        )  # fmt: skip


def _word(rng: random.Random) -> str:
    return "".join(rng.choices(SYLLABLES, k=rng.choice((1, 2, 2, 3, 3, 4))))


def _sizes() -> str:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            "select count(*), pg_size_pretty(pg_table_size('recordings_spokenturn')),"
            " pg_size_pretty(pg_relation_size('spoken_turn_terms')) from recordings_spokenturn"
        )
        count, table, index = cursor.fetchone()
    assert count == TURNS, count
    return f"Table {table}, index of words {index}."


def _viewer() -> Any:
    """Not a superuser: his permission is looked up as everybody's."""
    from django.contrib.auth.models import Permission, User

    user = User.objects.create_user("ann", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_transcript"))
    return User.objects.get(pk=user.pk)


# --- queries -------------------------------------------------------------------------------------


def _kinds(words: list[str], sayings: list[str]) -> list[Kind]:
    from agents.models import Project

    rng = random.Random(SEED)

    def some(first: int, last: int) -> list[str]:
        return rng.sample(words[first : min(last, len(words))], ROUNDS)

    project = Project.objects.order_by("pk")[0].pk
    day = datetime(2026, 11, 1, tzinfo=UTC)
    phrases = [f'"{saying}"' for saying in rng.sample(sayings, ROUNDS)]
    middling = some(40, 400)
    kinds = [
        Kind("rare word", some(4_000, 40_000)),
        Kind("usual word", some(400, 4_000)),
        Kind("frequent word", middling),
        Kind("“the” and the like", [COMMON[n % len(COMMON)] for n in range(ROUNDS)]),
        Kind("nobody said it", [f"xq{n}" for n in range(ROUNDS)]),
        Kind("phrase", phrases),
        Kind("phrase of “the” and the like", ['"of the"', '"you to"', '"we is"'] * ROUNDS),
        Kind("prefix, 4 letters", [f"{word[:4]}*" for word in some(400, 20_000)]),
        Kind("prefix, 2 letters", [f"{word[:2]}*" for word in some(400, 20_000)]),
        Kind("two words, one excluded", [f"{w} the -of" for w in some(400, 4_000)]),
        Kind("rare, in a project", some(4_000, 40_000), {"project": project}),
        Kind("frequent, in a project", middling, {"project": project}),
        Kind("“the”, in a project", ["the"] * ROUNDS, {"project": project}),
        Kind("“the”, on a day", ["the"] * ROUNDS, {"since": day, "until": day + timedelta(1)}),
        Kind("usual, on a day", some(400, 4_000), {"since": day, "until": day + timedelta(1)}),
        Kind("“the”, of a number", ["the"] * ROUNDS, {"number": "555"}),
        Kind("“the”, in calls with an error", ["the"] * ROUNDS, {"fault": "error"}),
        Kind("usual, in calls with a fault", some(400, 4_000), {"fault": "any"}),
        Kind("frequent, longer than 10 min", middling, {"longer_s": 600}),
        Kind(
            "“the”, ended by providers, bot", ["the"] * ROUNDS, {"end": "providers", "who": "agent"}
        ),
    ]
    for kind in kinds:
        kind.queries = kind.queries[:ROUNDS]
    with_number = next(kind for kind in kinds if "number" in kind.filters)
    with_number.filters["number"] = _some_number()
    return kinds


def _some_number() -> str:
    from telephony.models import Call

    return Call.objects.order_by("pk")[TURNS // A_CALL // 2].caller.removeprefix("+1")


@dataclass(slots=True)
class Watch:
    """What one question took, in ms."""

    whole: float = 0
    asking: float = 0
    cpu: float = 0

    @contextmanager
    def running(self) -> Iterator[None]:
        from django.db import connection

        cpu, begun = self._cpu(), time.perf_counter()
        with connection.execute_wrapper(self._asked):
            yield
        self.whole = (time.perf_counter() - begun) * 1000
        self.cpu = self._cpu() - cpu

    def _asked(self, execute: Any, *args: Any) -> Any:
        begun = time.perf_counter()
        try:
            return execute(*args)
        finally:
            self.asking += (time.perf_counter() - begun) * 1000

    @staticmethod
    def _cpu() -> float:
        """Of this process and of the one of PostgreSQL which serves it; not of its neighbours."""
        from django.db import connection

        backend = Path(f"/proc/{connection.connection.info.backend_pid}/schedstat").read_text()
        return time.process_time() * 1000 + int(backend.split()[0]) / 1e6


def _ours(kind: Kind, query: str, viewer: Any) -> tuple[Watch, Any]:
    from recordings import search

    watch = Watch()
    with watch.running():
        page = search.find(query, kind.filters, viewer, limit=LIMIT)
    return watch, page


def _naive(sql: str) -> Callable[[str], Watch]:
    from django.db import connection

    def ask(query: str) -> Watch:
        asked = query.strip('"').rstrip("*").split(" -")[0]
        watch = Watch()
        with watch.running(), connection.cursor() as cursor:
            cursor.execute(sql, [f"%{asked}%", LIMIT + 1])
            cursor.fetchall()
        return watch

    return ask


ICONTAINS = (  # as Django writes text__icontains
    "select id, call_id, n, text, started_at from {} where upper(text::text) like upper(%s)"
    " order by started_at desc, call_id desc, n limit %s"
)


def _ask(kinds: list[Kind], viewer: Any) -> None:
    """Kinds in turns, so that what else the machine does meets all of them."""
    plain = _naive(ICONTAINS.format("recordings_spokenturn"))
    indexed = _naive(ICONTAINS.format("bench_naive"))
    for kind in kinds:
        _ours(kind, kind.queries[-1], viewer)  # warms up
    for at in range(ROUNDS):
        for kind in kinds:
            watch, page = _ours(kind, kind.queries[at], viewer)
            kind.ours.append(watch.whole)
            kind.asking.append(watch.asking)
            kind.cpu.append(watch.cpu)
            kind.hits.append(len(page.hits))
            kind.unfinished += page.back_to is not None
            if at < NAIVE_ROUNDS and not kind.filters:
                watch = plain(kind.queries[at])
                kind.plain.append(watch.asking)
                kind.plain_cpu.append(watch.cpu)
                kind.indexed.append(indexed(kind.queries[at]).asking)


def _check(kinds: list[Kind], viewer: Any) -> list[str]:
    """That what is fast is right: the first page against a look at every row."""
    from django.db import connection

    problems = []
    for kind in kinds:
        if kind.filters or "excluded" in kind.name:
            continue
        query = kind.queries[0]
        star = query.endswith("*")
        pattern = r"\m" + query.strip('"').rstrip("*") + ("" if star else r"\M")
        with connection.cursor() as cursor:
            cursor.execute(
                "select id from recordings_spokenturn where text ~ %s"
                " order by started_at desc, call_id desc, n limit %s",
                [pattern, LIMIT],
            )
            right = [pk for (pk,) in cursor.fetchall()]
        found = [hit.turn.pk for hit in _ours(kind, query, viewer)[1].hits]
        if found != right:
            problems.append(f"{kind.name} ({query}): {len(found)} found, {len(right)} are there")
    return problems


# --- freshness -----------------------------------------------------------------------------------


def _freshness(viewer: Any) -> list[float]:
    """ms from the POST of a turn's journal entry to its being found; the call is on."""
    return list(_fresh(viewer))


def _fresh(viewer: Any) -> Iterator[float]:
    from django.conf import settings
    from django.test import Client

    from recordings import search, tasks
    from telephony.models import Call

    for task in (tasks.want_recording, tasks.build_transcript):
        task.delay = lambda **_: None  # type: ignore[assignment,method-assign]  # no broker here
    client = Client(headers={"Authorization": f"Bearer {settings.WORKER_TOKEN}"})
    room, now = "call_+12025550123_bench", datetime.now(UTC).isoformat()
    opened = {"n": 0, "ms": 0, "at": now, "kind": "opened", "data": {"room": room}}
    assert _post(client, room, opened) == 200
    assert Call.objects.filter(room=room).exists()
    for n in range(1, FRESH + 1):
        data = {"who": "caller", "text": f"the needle fresh{n} is here", "start_ms": n * 1000}
        begun = time.perf_counter()
        entry = {"n": n, "ms": n * 1000, "at": now, "kind": "turn", "data": data}
        assert _post(client, room, entry) == 200
        while not search.find(f"fresh{n}", {}, viewer).hits:
            time.sleep(0.005)
        yield (time.perf_counter() - begun) * 1000


def _post(client: Any, room: str, entry: dict[str, Any]) -> int:
    body = json.dumps({"journal": "AJ_bench", "room": room, "entries": [entry]})
    return int(
        client.post("/internal/journal", data=body, content_type="application/json").status_code
    )


# --- words ---------------------------------------------------------------------------------------


def _p95(times: list[float]) -> float:
    return statistics.quantiles(times, n=20)[-1] if len(times) > 1 else times[0]


def _report(kinds: list[Kind], fresh: list[float], problems: list[str]) -> None:
    """Ratios are of the database's time: a page of `icontains` would have to be made too."""
    print(f"{'ms':34} {'p50':>6} {'p95':>6} {'hits':>4} {'asking':>7} {'CPU':>6} "
          f"{'icontains':>10} {'ratio':>6} {'of CPU':>7} {'indexed':>8} {'ratio':>6}")  # fmt: skip
    for kind in kinds:
        print(_line(kind))
    every = [ms for kind in kinds for ms in kind.ours]
    cpu = [ms for kind in kinds for ms in kind.cpu]
    print(f"all kinds: p50 {statistics.median(every):.1f} ms, p95 {_p95(every):.1f} ms, longest "
          f"{max(every):.0f} ms")  # fmt: skip
    print(f"CPU of all kinds: p50 {statistics.median(cpu):.1f} ms, p95 {_p95(cpu):.1f} ms")
    print(f"posted until found, {len(fresh)} turns: p50 {statistics.median(fresh):.0f} ms, "
          f"longest {max(fresh):.0f} ms")  # fmt: skip
    print(f"load while it ran: {os.getloadavg()[1]:.1f} on {os.cpu_count()} cores")
    print("; ".join(problems) or "first pages are those of a look at every row")


def _line(kind: Kind) -> str:
    middle, asking, cpu = (statistics.median(t) for t in (kind.ours, kind.asking, kind.cpu))
    line = f"{kind.name:34} {middle:6.1f} {_p95(kind.ours):6.1f} "
    line += f"{statistics.median(kind.hits):4.0f} {asking:7.1f} {cpu:6.1f}"
    if kind.plain:
        plain, indexed = statistics.median(kind.plain), statistics.median(kind.indexed)
        of_cpu = statistics.median(kind.plain_cpu) / cpu
        line += f" {plain:10.0f} {plain / asking:6.0f} {of_cpu:7.0f}"
        line += f" {indexed:8.0f} {indexed / asking:6.1f}"
    return line + (f" ({kind.unfinished} not full, more behind)" if kind.unfinished else "")


if __name__ == "__main__":
    sys.exit(main())
