"""What a worker still holds of an erased call is thrown away, and nothing else."""

import asyncio
import os
import time

import numpy as np
import pytest

from agents.worker import forgetting, spool
from agents.worker.courier import Courier
from agents.worker.desk import Desk
from agents.worker.journal import Journal
from agents.worker.recorder import Recorder
from tests.fakes.desk import TOKEN, FakeDesk, wait_until
from tests.worker.plan import a_config

pytestmark = pytest.mark.worker

GONE, KEPT = "call_+12025550123_a", "call_+12025550124_b"


@pytest.fixture
async def office(tmp_path, monkeypatch):
    monkeypatch.setattr("agents.worker.courier.LONGEST_WAIT_S", 0.2)
    monkeypatch.setattr("agents.worker.courier.ASIDE_S", 0.1)
    async with FakeDesk() as fake, Desk(fake.url, TOKEN, timeout_s=1) as desk:
        fake.erased.add(GONE)
        yield fake, a_config(tmp_path, url=fake.url), desk


@pytest.fixture
async def courier(office):
    _, config, desk = office
    task = asyncio.create_task(Courier(config, desk).run())
    yield
    task.cancel()


def a_journal(config, job, room, *, closed=True):
    book = Journal(config.journal_dir, job)
    book.write("opened", room=room, job=job)
    book.write("turn", who="caller", text="My name is Canary")
    if closed:
        book.write("closed", reason="caller", answered=True, talked_ms=10)
        book.release()
    return book


def a_recording(config, job, room):
    path = spool.begin(config, room=room, job=job, starts_ms=0)
    began = time.monotonic()
    recorder = Recorder(path, began=began)
    recorder.caller(began + 0.2, np.full(8000, 5000, dtype=np.int16))
    return recorder, began


def files(config):
    return sorted(p.name for p in config.data_dir.rglob("*") if p.is_file() and "AJ_" in p.name)


async def test_journal_and_recording_of_an_erased_call_go_and_others_are_delivered(office, courier):
    fake, config, _ = office
    for job, room in (("AJ_1", GONE), ("AJ_2", KEPT)):
        recorder, began = a_recording(config, job, room)
        spool.finish(config, job, duration_ms=recorder.close(began + 0.6))
        a_journal(config, job, room)
    await wait_until(lambda: files(config) == [])
    assert set(fake.entries) == {"AJ_2"}
    assert [one["room"] for one in fake.recordings.values()] == [KEPT]
    assert [one["state"] for one in fake.recordings.values()] == ["stored"]


async def test_a_call_which_is_on_when_it_is_erased_leaves_nothing_in_the_end(office, courier):
    _, config, _ = office
    recorder, began = a_recording(config, "AJ_1", GONE)
    book = a_journal(config, "AJ_1", GONE, closed=False)
    await wait_until(lambda: not book.path.exists())
    book.write("turn", who="caller", text="I am still talking")
    spool.finish(config, "AJ_1", duration_ms=recorder.close(began + 0.6))
    book.write("closed", reason="caller", answered=True, talked_ms=10)
    book.release()
    await wait_until(lambda: files(config) == [])


async def test_what_was_put_aside_is_asked_about(office, courier):
    fake, config, _ = office
    fake.refuses_journals = True
    fake.erased.clear()
    for job, room in (("AJ_1", GONE), ("AJ_2", KEPT)):
        a_journal(config, job, room)
    await wait_until(lambda: files(config) == ["AJ_1.jsonl.rejected", "AJ_2.jsonl.rejected"])
    fake.erased.add(GONE)
    await wait_until(lambda: files(config) == ["AJ_2.jsonl.rejected"])


async def test_what_a_dead_process_left_is_asked_about_and_what_a_live_one_writes_is_not_touched(
    office,
):
    _, config, desk = office
    recorder, began = a_recording(config, "AJ_1", GONE)
    await wait_until(lambda: (config.recording_dir / "AJ_1.ogg").exists())
    assert await forgetting.look_aside(config, desk) == 0
    recorder.close(began + 0.6)
    for path in config.recording_dir.iterdir():
        os.utime(path, (0, 0))
    assert await forgetting.look_aside(config, desk) == 2
    assert files(config) == []


async def test_a_control_plane_which_is_away_loses_nothing(office, courier):
    fake, config, _ = office
    fake.away = True
    a_journal(config, "AJ_2", KEPT)
    fake.away = False
    await wait_until(lambda: files(config) == [])
    assert set(fake.entries) == {"AJ_2"}
