"""The worker's disk is full: the call goes on, and nothing which waits for its upload is removed.

On a real tmpfs of some kilobytes where one can be mounted, else on files which say ENOSPC.
"""

import asyncio
import errno
import os
import subprocess
import time
from functools import partial
from io import FileIO
from pathlib import Path

import numpy as np
import pytest

from agents.worker import journal, leftovers, roomy, spool
from agents.worker.courier import Courier
from agents.worker.journal import Journal
from agents.worker.recorder import FULL, RATE, Recorder
from agents.worker.roomy import Roomy
from agents.worker.spool import length_ms
from agents.worker.tape import Tape
from tests.fakes.desk import wait_until
from tests.worker.plan import a_config

pytestmark = pytest.mark.worker

SIZE = 192 * 1024


class Disk:
    """`fill` takes all room but some, `free` gives it back."""

    folder: Path

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def fill(self) -> None:
        with (self.folder / "ballast").open("ab", buffering=0) as file:
            for size in (4096, 512, 1):
                try:
                    while True:
                        if file.write(bytes(size)) != size:
                            break
                except OSError:
                    pass

    def free(self) -> None:
        (self.folder / "ballast").unlink()


class FakeDisk(Disk):
    full = False

    def open(self, path: Path, mode: str) -> FileIO:
        disk = self

        class Failing(FileIO):
            def write(self, data) -> int:
                if disk.full:
                    super().write(bytes(data)[:3])  # as a disk does: a part, and then no more
                    raise OSError(errno.ENOSPC, "No space left on device")
                return super().write(data)

        return Failing(path, mode)

    def fill(self) -> None:
        self.full = True

    def free(self) -> None:
        self.full = False


@pytest.fixture(params=["tmpfs", "fake"])
def disk(request, tmp_path, monkeypatch):
    if request.param == "fake":
        disk = FakeDisk(tmp_path)
        monkeypatch.setattr(roomy, "open_raw", disk.open)
        yield disk
        return
    command = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(tmp_path)]
    if os.geteuid() or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("no tmpfs can be mounted here")
    yield Disk(tmp_path)
    subprocess.run(["umount", "-l", str(tmp_path)], check=True)


def kinds(path):
    return [entry.kind for entry in journal.read(path)]


def test_a_journal_goes_on_and_says_what_was_wrong(disk):
    book = Journal(disk.folder, "AJ_1")
    book.write("opened", room="call-1")
    disk.fill()
    for n in range(400):
        book.write("turn", who="caller", text=f"Sentence number {n}, and some more words.")
    lines = book.path.read_bytes()
    assert lines.endswith(b"\n"), "whole entries only"
    disk.free()
    book.write("closed", reason="caller")
    book.release()
    found = journal.read(book.path)
    assert [entry.n for entry in found] == list(range(403))
    errors = [entry for entry in found if entry.kind == "error"]
    assert [entry.data for entry in errors] == [{"what": "disk", "detail": journal.FULL}]
    assert found[-1].kind == "closed"


def test_a_journal_which_cannot_even_be_begun_is_begun_later(disk, monkeypatch):
    real, tried = roomy.open_raw, []

    def refuses(path, mode):
        tried.append(path)
        if len(tried) < 4:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(path, mode)

    monkeypatch.setattr(roomy, "open_raw", refuses)
    book = Journal(disk.folder, "AJ_1")
    for kind in ("opened", "answered", "closed"):
        book.write(kind)
    book.release()
    assert [k for k in kinds(book.path) if k != "error"] == ["opened", "answered", "closed"]


def test_two_writers_of_one_journal_are_still_refused(tmp_path):
    book = Journal(tmp_path, "AJ_1")
    with pytest.raises(BlockingIOError):
        Journal(tmp_path, "AJ_1")
    book.release()


def test_a_recording_waits_in_memory_and_is_whole_afterwards(disk):
    told: list[str] = []
    began = time.monotonic()
    recorder = Recorder(disk.folder / "a.ogg", began=began - 3, on_trouble=told.append)
    noise = (np.random.default_rng(1).standard_normal(RATE * 3) * 3000).astype(np.int16)
    disk.fill()
    recorder.caller(began - 3 + 0.1, noise)
    deadline = time.monotonic() + 10
    while not told and time.monotonic() < deadline:
        time.sleep(0.05)
    assert told == [FULL]
    disk.free()
    assert recorder.close(began) == 3000
    assert length_ms(disk.folder / "a.ogg") == pytest.approx(3000, abs=60)
    assert told == [FULL]


def test_what_never_finds_room_is_lost_and_that_is_said(disk):
    told: list[str] = []
    began = time.monotonic()
    disk.fill()
    recorder = Recorder(disk.folder / "a.ogg", began=began - 3, on_trouble=told.append)
    noise = (np.random.default_rng(1).standard_normal(RATE * 3) * 3000).astype(np.int16)
    recorder.caller(began - 3 + 0.1, noise)
    recorder.close(began)
    assert told[0] == FULL
    assert told[-1].endswith("a part of the recording is lost.")


def test_what_waits_in_memory_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(roomy, "MOST", 1000)
    disk = FakeDisk(tmp_path)
    monkeypatch.setattr(roomy, "open_raw", disk.open)
    file = Roomy(tmp_path / "x")
    disk.fill()
    for n in range(30):
        file.write(bytes([n]) * 100)
    disk.free()
    file.close()
    assert (tmp_path / "x").read_bytes() == b"".join(bytes([n]) * 100 for n in range(20, 30))
    assert file.lost == 2000


# --- leftovers ------------------------------------------------------------------------------------


def left_behind(config, job, age_s, *, size=1000, rejected=True):
    """A recording in the spool, refused for good or waiting."""
    config.recording_dir.joinpath(f"{job}.ogg").write_bytes(bytes(size))
    config.recording_dir.joinpath(f"{job}.json").write_text('{"room": "call-1"}')
    spool.finish(config, job, duration_ms=1)
    description = config.spool_dir / f"{job}.json"
    if rejected:
        description = description.rename(description.with_suffix(".json.rejected"))
    os.utime(description, (time.time() - age_s,) * 2)
    os.utime(config.spool_dir / f"{job}.ogg", (time.time() - age_s,) * 2)


def names(config):
    return sorted(path.name for path in config.spool_dir.iterdir())


def test_the_oldest_leftovers_go_first_and_what_waits_stays(tmp_path):
    config = a_config(tmp_path)
    left_behind(config, "old", 900)
    left_behind(config, "new", 100)
    left_behind(config, "waiting", 5000, rejected=False)
    (config.spool_dir / "uploaded.ogg").write_bytes(bytes(1000))  # its description is gone
    os.utime(config.spool_dir / "uploaded.ogg", (time.time() - 500,) * 2)
    assert leftovers.make_room(config, wanted=1500) >= 1500
    assert names(config) == ["new.json.rejected", "new.ogg", "waiting.json", "waiting.ogg"]
    leftovers.make_room(config)
    assert names(config) == ["waiting.json", "waiting.ogg"]
    assert leftovers.make_room(config) == 0


def test_a_full_disk_removes_leftovers_before_anything_is_held_back(disk):
    config = a_config(disk.folder)
    left_behind(config, "old", 900, size=8192)
    disk.fill()

    def make_room() -> int:
        won = leftovers.make_room(config)
        if isinstance(disk, FakeDisk) and won:
            disk.free()
        return won

    book = Journal(config.journal_dir, "AJ_1", make_room=make_room)
    for n in range(60):
        book.write("turn", text=f"Sentence number {n}.")
    book.release()
    assert names(config) == []
    assert [entry.n for entry in journal.read(book.path)] == list(range(60))
    assert "error" not in kinds(book.path)


# --- the tape -------------------------------------------------------------------------------------


async def test_a_call_without_room_for_its_recording_goes_on(tmp_path, monkeypatch):
    config = a_config(tmp_path)
    book = Journal(config.journal_dir, "AJ_1")
    book.write("opened", room="call-1")

    def refuses(path, content):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(spool, "write_whole", refuses)
    tape = Tape(config, "AJ_1", book)
    assert tape.begin("call-1", began=time.monotonic(), starts_ms=0) is None
    await tape.finish(time.monotonic())
    book.write("closed", reason="caller")
    assert kinds(book.path) == ["opened", "error", "closed"]


async def test_a_recording_which_could_not_be_finished_is_finished_later(tmp_path, monkeypatch):
    config = a_config(tmp_path)
    book = Journal(config.journal_dir, "AJ_1")
    book.write("opened", room="call-1")
    tape = Tape(config, "AJ_1", book)
    began = time.monotonic()
    recorder = tape.begin("call-1", began=began - 2, starts_ms=0)
    assert recorder is not None
    recorder.caller(began - 2, np.full(2 * RATE, 3000, dtype=np.int16))

    def refuses(path, content):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as context:
        context.setattr(spool, "write_whole", refuses)
        await tape.finish(began)
    book.write("closed", reason="caller")
    book.release()
    assert kinds(book.path) == ["opened", "error", "closed"]
    assert names(config) == []
    assert spool.stranded(config, older_than_s=0) == []  # its journal is still here
    book.path.unlink()  # delivered
    monkeypatch.setattr(spool, "stranded", partial(spool.stranded, older_than_s=0))
    courier = Courier(config, desk=None)  # type: ignore[arg-type]
    monkeypatch.setattr(courier, "look", lambda: 0)
    running = asyncio.create_task(courier.run())
    await wait_until(lambda: names(config) == ["AJ_1.json", "AJ_1.ogg"])
    running.cancel()
    assert length_ms(config.spool_dir / "AJ_1.ogg") >= 1500


def test_a_crash_between_two_renames_loses_nothing(tmp_path):
    config = a_config(tmp_path)
    left_behind(config, "AJ_1", 0, rejected=False)
    (config.spool_dir / "AJ_1.json").rename(config.recording_dir / "AJ_1.json")
    assert leftovers.make_room(config) == 0
    assert spool.salvage(config, "AJ_1")["duration_ms"] == 1
    assert names(config) == ["AJ_1.json", "AJ_1.ogg"]
