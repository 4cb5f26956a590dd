"""Journals and recordings on their way to the control plane."""

import asyncio
import multiprocessing

import numpy as np
import pytest

from agents.worker import journal, spool
from agents.worker.courier import Courier
from agents.worker.desk import Desk
from agents.worker.journal import Journal
from agents.worker.recorder import Recorder
from tests.fakes.desk import TOKEN, FakeDesk, wait_until
from tests.worker.plan import a_config

pytestmark = pytest.mark.worker


def a_call(config, job="AJ_1", *, closed=True):
    book = Journal(config.journal_dir, job)
    book.write("opened", room="call-1", job=job)
    book.write("answered")
    book.write("turn", who="caller", text="Hello")
    if closed:
        book.write("closed", reason="caller", answered=True, talked_ms=10)
        book.release()
    return book


@pytest.fixture
async def office(tmp_path, monkeypatch):
    monkeypatch.setattr("agents.worker.courier.ORPHAN_AFTER_S", 0.1)
    monkeypatch.setattr("agents.worker.courier.LONGEST_WAIT_S", 0.2)
    async with FakeDesk() as fake, Desk(fake.url, TOKEN, timeout_s=1) as desk:
        config = a_config(tmp_path, url=fake.url)
        courier = Courier(config, desk)
        task = asyncio.create_task(courier.run())
        yield fake, config, desk
        task.cancel()


def kinds(fake, job="AJ_1"):
    return [entry.kind for entry in fake.entries_of(job)]


async def test_entries_travel_while_the_call_runs_and_the_file_goes_when_all_is_acked(office):
    fake, config, _ = office
    book = a_call(config, closed=False)
    await wait_until(lambda: kinds(fake) == ["opened", "answered", "turn"])
    assert book.path.exists()
    book.write("closed", reason="caller", answered=True, talked_ms=10)
    book.release()
    await wait_until(lambda: not book.path.exists())
    assert kinds(fake)[-1] == "closed"
    assert fake.rooms["AJ_1"] == "call-1"
    assert not list(config.journal_dir.iterdir())


def test_a_journal_begins_with_opened_whatever_came_before(tmp_path):
    """A recogniser may refuse while the room is being joined: nobody knows the caller yet."""
    book = Journal(tmp_path, "AJ_1")
    book.hold()
    book.write("switch", role="stt")
    assert journal.read(book.path) == []
    book.write("opened", room="call-1", job="AJ_1")
    book.write("answered")
    entries = journal.read(book.path)
    assert [(e.n, e.kind) for e in entries] == [(0, "opened"), (1, "switch"), (2, "answered")]
    assert entries[1].ms <= entries[0].ms


def test_a_journal_of_no_call_leaves_nothing(tmp_path):
    book = Journal(tmp_path, "AJ_1")
    book.hold()
    book.write("error", what="plan", detail="x")
    book.release()
    assert not book.path.exists()


async def test_lost_acknowledgements_and_an_absence_lose_nothing_and_double_nothing(office):
    fake, config, _ = office
    fake.lost_answers = 2
    first = a_call(config)
    await wait_until(lambda: not first.path.exists())
    fake.away = True
    second = a_call(config, "AJ_2")
    await asyncio.sleep(0.4)
    assert second.path.exists()
    fake.away = False
    await wait_until(lambda: not second.path.exists())
    for job in ("AJ_1", "AJ_2"):
        assert [entry.n for entry in fake.entries_of(job)] == [0, 1, 2, 3]


async def test_what_an_earlier_worker_left_behind_is_delivered(tmp_path):
    config = a_config(tmp_path)
    a_call(config)
    async with FakeDesk() as fake, Desk(fake.url, TOKEN) as desk:
        await Courier(config, desk).flush(timeout_s=3)
        assert kinds(fake)[-1] == "closed"


async def test_a_refused_journal_is_kept_aside(office, caplog):
    fake, config, _ = office
    fake.refuses_journals = True
    book = a_call(config)
    await wait_until(lambda: not book.path.exists())
    assert (config.journal_dir / "AJ_1.jsonl.rejected").exists()
    assert "kept beside" in caplog.text


def _die_in_a_call(folder):
    config = a_config(folder)
    book = a_call(config, closed=False)
    path = spool.begin(config, room="call-1", job="AJ_1", starts_ms=book.ms())
    import time

    recorder = Recorder(path, began=time.monotonic())
    while True:
        recorder.agent(time.monotonic(), np.full(1600, 3000, dtype=np.int16))
        time.sleep(0.1)


async def test_a_killed_process_loses_at_most_a_second_and_its_journal_is_closed(office):
    fake, config, _ = office
    process = multiprocessing.get_context("spawn").Process(
        target=_die_in_a_call, args=(config.data_dir,)
    )
    process.start()
    await wait_until(lambda: (config.recording_dir / "AJ_1.ogg").exists(), timeout_s=20)
    await asyncio.sleep(2.0)
    process.kill()
    process.join()
    await wait_until(lambda: fake.recordings and fake.recordings[1]["state"] == "stored")
    await wait_until(lambda: "closed" in kinds(fake))
    assert kinds(fake)[-3:] == ["error", "recording", "closed"]
    assert fake.entries_of("AJ_1")[-1].data["reason"] == "error"
    assert fake.recordings[1]["duration_ms"] >= 1000


async def test_a_living_but_silent_call_is_not_taken_for_a_dead_one(office):
    fake, config, _ = office
    book = a_call(config, closed=False)
    await wait_until(lambda: len(kinds(fake)) == 3)
    await asyncio.sleep(0.5)
    assert [entry.kind for entry in journal.read(book.path)] == ["opened", "answered", "turn"]
    book.release()


async def test_a_torn_last_line_is_left_out_and_repaired(office):
    fake, config, _ = office
    book = a_call(config, closed=False)
    book.release()
    with book.path.open("ab") as file:
        file.write(b'{"n": 3, "ms": 1')
    await wait_until(lambda: kinds(fake) == ["opened", "answered", "turn", "error", "closed"])


def a_recording(config, job="AJ_1"):
    path = spool.begin(config, room="call-1", job=job, starts_ms=7)
    path.write_bytes(b"OggS" * 100)
    return spool.finish(config, job, duration_ms=1234)


async def test_a_recording_waits_for_the_store_and_is_dropped_once_verified(office):
    fake, config, _ = office
    fake.store_away = True
    facts = a_recording(config)
    await asyncio.sleep(0.4)
    assert (config.spool_dir / "AJ_1.ogg").exists()
    fake.store_away = False
    await wait_until(lambda: not list(config.spool_dir.iterdir()))
    assert fake.recordings[1]["state"] == "stored"
    assert fake.recordings[1]["sha256"] == facts["sha256"]
    assert fake.objects["1"] == b"OggS" * 100
