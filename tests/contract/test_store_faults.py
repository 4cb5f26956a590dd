"""The store fails as stores fail, and no recording is lost, doubled or believed too early.

A real courier of a worker, a real Django door, a real S3 server, and between them and it a proxy
which misbehaves (measures.md, F14 and F15).
"""

import asyncio
import hashlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings as conf
from django.db import OperationalError
from django.utils import timezone

from agents.worker import courier as couriers
from agents.worker import spool
from agents.worker.config import Config
from agents.worker.courier import Courier
from agents.worker.desk import Desk
from agents.worker.recorder import Recorder
from recordings import services, storecheck, wiring
from recordings.errors import StoreUnavailable
from recordings.journal import take_entries
from recordings.models import Recording, StoreCheck, StoreFinding, Transcript
from recordings.slices import Until
from recordings.storage import S3Bucket
from recordings.transcripts import build_transcript
from telephony import events
from telephony import wiring as telephony
from telephony.live import EgressWish
from telephony.models import Call
from tests import hooks
from tests.contract.bucket_fixture import RealStore, real_store
from tests.contract.faulty_store import FaultyStore, faulty_store
from tests.factories import NOW, make_call, make_plan, make_project
from tests.fakes.egress import EgressGateway, body_of
from tests.oggs import ogg
from tests.recordings.conftest import ANSWERED, ROOM, closed, opened, story
from tests.worker.plan import a_config

pytestmark = [
    pytest.mark.contract,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("tasks_at_once"),
]

KEY = f"shop/2026/11/21/{ROOM}.ogg"
MS = 12_000


@pytest.fixture(scope="module")
def real(tmp_path_factory) -> Iterator[RealStore]:
    with real_store(tmp_path_factory.mktemp("s3")) as store:
        yield store


@pytest.fixture
def store(real, monkeypatch) -> Iterator[FaultyStore]:
    with faulty_store(real) as faulty:
        monkeypatch.setattr(wiring, "bucket", lambda: faulty_bucket(faulty))
        yield faulty
    for listed in real.bucket().list_objects(""):
        real.bucket().delete(listed.key)


def faulty_bucket(store: FaultyStore) -> S3Bucket:
    return store.real.bucket(
        endpoint=store.endpoint, public_endpoint=store.endpoint, timeout_s=store.patience_s
    )


class Worker:
    """A worker's main process, as far as it delivers: the real courier in a thread."""

    def __init__(self, url: str, folder: Path) -> None:
        folder.mkdir()
        self.config: Config = a_config(folder, url=url)
        self.config.make_folders()
        self._loop = asyncio.new_event_loop()
        self._task = self._loop.create_task(self._work(url))
        self._thread = threading.Thread(target=self._run)

    def leave(self, job: str, sound: bytes, *, ms: int = MS) -> bytes:
        """What a call leaves behind on the disk when it is over."""
        path = spool.begin(self.config, room=ROOM, job=job, starts_ms=1000)
        path.write_bytes(sound)
        spool.finish(self.config, job, duration_ms=ms)
        return sound

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._task.cancel)
        self._thread.join(20)

    @property
    def kept(self) -> list[str]:
        return sorted(path.name for path in self.config.spool_dir.iterdir())

    async def _work(self, url: str) -> None:
        async with Desk(url, conf.WORKER_TOKEN) as desk:
            await Courier(self.config, desk).run()

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._task)
        except asyncio.CancelledError:
            pass
        finally:
            self._loop.close()


@pytest.fixture
def a_worker(live_server, tmp_path, monkeypatch) -> Iterator[Callable[[], Worker]]:
    monkeypatch.setattr(couriers, "LONGEST_WAIT_S", 0.2)
    monkeypatch.setattr(couriers, "LOOK_S", 0.03)
    workers: list[Worker] = []

    def make() -> Worker:
        workers.append(Worker(live_server.url, tmp_path / f"worker{len(workers)}"))
        return workers[-1]

    yield make
    for worker in workers:
        if worker._thread.is_alive():
            worker.stop()


@pytest.fixture
def call(livekit) -> Call:
    """Over; its journals are here."""
    plan = make_plan()
    told = story(opened(plan=plan.digest), ANSWERED, ("recording", {}), closed())
    take_entries(journal="AJ_one", room=ROOM, entries=told, now=NOW)
    take_entries(journal="AJ_two", room=ROOM, entries=told, now=NOW)
    call = Call.objects.get()
    Call.objects.update(answered_at=NOW, ended_at=NOW + timedelta(milliseconds=MS), state="ended")
    services.want_recording(call_id=call.pk, now=NOW)
    return call


def only() -> Recording:
    """SQLite in memory locks a table while another thread writes; then we look once more."""
    while True:
        try:
            return Recording.objects.get()
        except OperationalError:
            time.sleep(0.005)


def sha256(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


class Watch:
    """Looks until something is so; meanwhile the row must never say stored without the object."""

    def __init__(self, real: RealStore, body: bytes) -> None:
        self.real, self.sum = real, sha256(body)
        self.seen: set[str] = set()

    def until(self, fact: Callable[[], object], *, timeout_s: float = 30) -> None:
        end = time.monotonic() + timeout_s
        while not fact():
            self.look()
            assert time.monotonic() < end, f"not so within {timeout_s} s: {only().error}"
            time.sleep(0.02)
        self.look()

    def look(self) -> None:
        state = only().state
        self.seen.add(state)
        if state == "stored":
            found = [self.real.bucket().head(one.key).sha256 for one in self.objects()]
            assert found == [self.sum]

    def objects(self) -> list:
        return list(self.real.bucket().list_objects(""))


def is_stored() -> bool:
    return only().state == "stored"


# --- the worker delivers --------------------------------------------------------------------------


def test_a_store_away_from_before_the_end_until_later_loses_nothing(a_worker, call, store, real):
    store.stop()
    worker = a_worker()
    body = worker.leave("AJ_one", ogg(MS))
    watch = Watch(real, body)
    asked: list[int] = []
    worker.start()
    watch.until(lambda: only().state == "uploading")
    for _ in range(40):  # many tries of the courier
        watch.look()
        asked.append(only().pk)
        time.sleep(0.02)
    assert worker.kept == ["AJ_one.json", "AJ_one.ogg"]
    assert watch.seen <= {"wanted", "uploading"}
    back = timezone.now()
    store.start()
    watch.until(lambda: is_stored() and worker.kept == [])
    assert [one.key for one in watch.objects()] == [KEY]
    assert only().sha256 == sha256(body)
    stored_at = only().stored_at
    assert stored_at
    assert stored_at > back


def test_a_worker_started_again_delivers_what_the_last_one_kept(
    a_worker, call, store, real, tmp_path, live_server
):
    store.stop()
    worker = a_worker()
    body = worker.leave("AJ_one", ogg(MS))
    watch = Watch(real, body)
    worker.start()
    watch.until(lambda: only().state == "uploading")
    worker.stop()
    store.start()
    again = a_worker()
    for path in worker.config.spool_dir.iterdir():
        path.rename(again.config.spool_dir / path.name)
    again.start()
    watch.until(lambda: is_stored() and again.kept == [])


@pytest.mark.parametrize("fault", ["truncate", "corrupt", "swallow", "break off"])
def test_a_store_which_says_200_and_has_something_else_is_not_believed(
    fault, a_worker, call, store, real
):
    worker = a_worker()
    body = worker.leave("AJ_one", ogg(MS))
    watch = Watch(real, body)
    store.spoil = [fault] * 3
    worker.start()
    watch.until(lambda: is_stored() and worker.kept == [])
    assert store.puts == 4
    assert [one.key for one in watch.objects()] == [KEY]
    assert (only().error, only().size) == ("", len(body))


def test_a_store_which_takes_the_file_and_then_says_nothing_is_asked_again(
    a_worker, call, store, real
):
    worker = a_worker()
    watch = Watch(real, worker.leave("AJ_one", ogg(MS)))
    store.refuse = {"HEAD"}
    worker.start()
    watch.until(lambda: store.heads >= 4)
    assert watch.seen <= {"wanted", "uploading"}
    assert len(worker.kept) == 2
    store.refuse = set()
    watch.until(lambda: is_stored() and worker.kept == [])


def test_a_slow_store_is_waited_for(a_worker, call, store, real):
    """Each answer takes longer than the door waits, then less."""
    worker = a_worker()
    watch = Watch(real, worker.leave("AJ_one", ogg(MS)))
    store.slow_s, store.patience_s = 1.3, 1.0
    worker.start()
    watch.until(lambda: store.heads >= 2)
    assert watch.seen <= {"wanted", "uploading"}
    store.slow_s, store.patience_s = 0.3, 10.0
    watch.until(lambda: is_stored() and worker.kept == [])


def test_two_workers_with_the_same_file_leave_one_object(a_worker, call, store, real):
    one, two = a_worker(), a_worker()
    body = one.leave("AJ_one", ogg(MS))
    two.leave("AJ_two", body)
    watch = Watch(real, body)
    one.start()
    two.start()
    watch.until(lambda: is_stored() and not one.kept and not two.kept)
    assert [found.key for found in watch.objects()] == [KEY]


def test_two_workers_with_two_files_keep_both(a_worker, call, store, real):
    """One is stored; the other stays on its worker's disk, put aside. None is thrown away."""
    one, two = a_worker(), a_worker()
    first, second = one.leave("AJ_one", ogg(MS)), two.leave("AJ_two", ogg(5_000), ms=5_000)
    one.start()
    two.start()
    end = time.monotonic() + 30
    while not (is_stored() and (not one.kept) + (not two.kept) == 1):
        assert time.monotonic() < end, (one.kept, two.kept, only().state)
        time.sleep(0.02)
    loser, job, theirs = (two, "AJ_two", second) if not one.kept else (one, "AJ_one", first)
    ours = first if theirs is second else second
    while f"{job}.json.rejected" not in loser.kept:
        assert time.monotonic() < end, (
            one.kept,
            two.kept,
            only().state,
            only().sha256,
            sha256(first),
        )
        time.sleep(0.02)
    assert (loser.config.spool_dir / f"{job}.ogg").read_bytes() == theirs
    (found,) = real.bucket().list_objects("")
    assert (found.key, real.bucket().head(KEY).sha256) == (KEY, sha256(ours))
    assert only().sha256 == sha256(ours)


@pytest.mark.parametrize("ms", [0, 3 * 3600 * 1000], ids=["0 s", "3 h"])
def test_a_call_of_any_length_arrives_whole_and_compares_well(ms, a_worker, call, store, real):
    worker = a_worker()
    path = spool.begin(worker.config, room=ROOM, job="AJ_one", starts_ms=1000)
    if ms:
        path.write_bytes(ogg(ms))
    else:
        Recorder(path, began=100.0).close(100.0)
    body = path.read_bytes()
    spool.finish(worker.config, "AJ_one", duration_ms=ms)
    Call.objects.update(ended_at=NOW + timedelta(milliseconds=ms))
    call.entries.all().delete()  # they tell of another length
    take_entries(
        journal="AJ_one", room=ROOM, now=NOW,
        entries=story(opened(), ANSWERED, ("recording", {}), closed(talked_ms=ms)),
    )  # fmt: skip
    worker.start()
    Watch(real, body).until(lambda: is_stored() and worker.kept == [])
    assert only().duration_ms == ms
    assert compared(store) == []


def test_a_call_in_which_nobody_spoke_has_its_recording_and_an_empty_transcript(
    a_worker, call, store, real
):
    worker = a_worker()
    worker.start()
    body = worker.leave("AJ_one", ogg(MS))
    Watch(real, body).until(lambda: is_stored() and worker.kept == [])
    build_transcript(call_id=call.pk, now=NOW + timedelta(hours=1))
    assert Transcript.objects.get().segments == []


# --- egress delivers ------------------------------------------------------------------------------


class Shelf(dict[str, bytes]):
    """Where the fake egress writes: into the real store."""

    def __init__(self, store: FaultyStore) -> None:
        super().__init__()
        self.store = store

    def __setitem__(self, key: str, body: bytes) -> None:
        self.store.keep(f"/recordings/{key}", body, "audio/ogg")


class EgressStore:
    exists = True

    def __init__(self, store: FaultyStore) -> None:
        self.objects = Shelf(store)


def test_an_egress_which_ends_ten_times_is_stored_once(store, real, client, monkeypatch):
    def post(body: bytes) -> None:
        assert hooks.post(client, body).status_code == 204

    fake = EgressGateway(EgressStore(store), post_hook=post, now=NOW)  # type: ignore[arg-type]
    fake.ring(ROOM, at=NOW)
    monkeypatch.setattr(telephony, "gateway", lambda: fake)
    plan = make_plan(make_project(recorder="egress"))
    call = make_call(room=ROOM, project=plan.project, plan_digest=plan.digest)
    recording = services.want_recording(call_id=call.pk, now=NOW)
    assert recording
    egress_id = fake.start_egress(EgressWish(room=ROOM, object_key=recording.object_key))
    Recording.objects.update(state="running", egress_id=egress_id)
    fake.complete(egress_id, hook=False)
    told: list[object] = []
    monkeypatch.setitem(events._table, "recording_stored", [lambda payload: told.append(payload)])
    ended = fake.egresses[egress_id]
    for n in range(10):
        post(body_of("egress_ended", ended, event_id=f"EV_{n}"))
    assert only().state == "stored"
    assert told == [{"call": call.pk}]
    assert [one.key for one in real.bucket().list_objects("")] == [KEY]


# --- reconciliation -------------------------------------------------------------------------------


def compared(store: FaultyStore, *, thorough: bool = False) -> list[str]:
    """Kinds of findings of a run over the call's day."""
    run = a_run(thorough=thorough)
    go_on(run, store)
    run.refresh_from_db()
    assert run.state == "done", run.error
    found = StoreFinding.objects.filter(fixed_at=None).order_by("kind")
    return list(found.values_list("kind", flat=True))


def a_run(*, thorough: bool = False) -> StoreCheck:
    day = NOW.date()
    return storecheck.request_check(
        first=day, last=day, by="tests", now=timezone.now(), thorough=thorough
    )


def go_on(run: StoreCheck, store: FaultyStore) -> None:
    bucket = faulty_bucket(store)
    storecheck.go_on(check_id=run.pk, bucket=bucket, now=timezone.now(), until=Until())


@pytest.fixture
def stored(call, store, real) -> bytes:
    body = ogg(MS)
    store.keep(f"/recordings/{KEY}", body, "audio/ogg")
    call.entries.all().delete()
    Recording.objects.update(
        state="stored", size=len(body), sha256=sha256(body), duration_ms=MS, stored_at=NOW
    )
    return body


def test_what_is_right_compares_well_also_when_every_byte_is_read(stored, store):
    assert compared(store) == []
    assert compared(store, thorough=True) == []


def test_a_store_which_is_away_or_broken_is_no_fault_of_the_recordings(stored, store):
    run = a_run(thorough=True)
    for trouble in ("away", "503", "slow", "broken off"):
        store.refuse = {"GET", "HEAD"} if trouble == "503" else set()
        store.slow_s = 1.3 if trouble == "slow" else 0.0
        store.patience_s = 1.0 if trouble == "slow" else 10.0
        store.cut_reads = trouble == "broken off"
        if trouble == "away":
            store.stop()
        with pytest.raises(StoreUnavailable):
            go_on(run, store)
        if trouble == "away":
            store.start()
    run.refresh_from_db()
    assert (run.state, StoreFinding.objects.count()) == ("running", 0)
    store.cut_reads = False
    go_on(run, store)
    run.refresh_from_db()
    assert (run.state, StoreFinding.objects.count()) == ("done", 0)


def test_what_the_disk_of_the_store_lost_is_found(stored, store, real):
    file = real.folder / "recordings" / KEY
    file.write_bytes(stored[:100])
    assert compared(store) == ["size"]


def test_what_rotted_on_its_disk_is_found_when_every_byte_is_read(stored, store, real):
    """The store goes on telling the checksum it was given."""
    with (real.folder / "recordings" / KEY).open("r+b") as file:
        file.seek(len(stored) // 2)
        file.write(b"\xff\xfe\xfd")
    assert compared(store) == []
    assert compared(store, thorough=True) == ["checksum"]
    assert compared(store) == ["checksum"]


def test_what_was_deleted_or_put_beside_is_found(stored, store, real):
    real.bucket().delete(KEY)
    old = timezone.now() - timedelta(days=1)
    store.keep("/recordings/shop/2026/11/21/call_9_zzz.ogg", b"whose?", "audio/ogg")
    path = real.folder / "recordings" / "shop/2026/11/21/call_9_zzz.ogg"
    os.utime(path, (old.timestamp(), old.timestamp()))
    assert compared(store) == ["missing", "orphan"]
