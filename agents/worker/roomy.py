"""A file which takes all that is written also while its disk is full: it waits in memory for room.

Pieces come out on disk in order and whole, so that what is there can be read at any moment. A call
never ends because a disk is full.
"""

import logging
import os
from collections import deque
from collections.abc import Callable
from io import FileIO
from pathlib import Path

log = logging.getLogger(__name__)

MOST = 16 * 2**20  # bytes which may wait; of a recording, three quarters of an hour


class Roomy:
    """Not for two threads. `make_room` removes what is not needed any more and says how much."""

    def __init__(
        self,
        path: Path,
        *,
        make_room: Callable[[], int] = lambda: 0,
        on_full: Callable[[], object] = lambda: None,
        on_open: Callable[[FileIO], object] = lambda file: None,
        append: bool = False,
    ) -> None:
        """`on_full` is told once each time the disk is found full. `on_open` may raise."""
        self.path = path
        self._make_room = make_room
        self._on_full = on_full
        self._on_open = on_open
        self._mode = "ab" if append else "wb"
        self._file: FileIO | None = None
        self._waiting: deque[bytes] = deque()
        self._held = 0  # bytes of it
        self._is_full = False
        self.lost = 0  # bytes
        self._put()

    def write(self, data: bytes) -> int:
        if data:
            self._waiting.append(bytes(data))
            self._held += len(data)
            self._put()
        while self._held > MOST:
            self.lost += len(self._waiting[0])
            self._drop()
        return len(data)

    def sync(self) -> None:
        """Onto the disk itself, as far as it takes it."""
        try:
            if self._file:
                os.fsync(self._file.fileno())
        except OSError as trouble:
            log.warning("A file could not be synced", extra={"error": type(trouble).__name__})

    def close(self) -> None:
        """What finds no room now is lost."""
        if self._waiting:
            self._is_full = False  # ask for room once more
            self._put()
        self.lost += self._held
        self._waiting.clear()
        if self._file:
            self._file.close()

    def _put(self) -> None:
        if self._write_all() or self._is_full:
            return
        self._is_full = True
        if self._make_room() and self._write_all():
            return
        self._on_full()

    def _write_all(self) -> bool:
        try:
            if self._file is None:
                self._file = self._opened()
            while self._waiting:
                self._write_whole(self._file, self._waiting[0])
                self._drop()
        except BlockingIOError:  # somebody else has the file
            raise
        except OSError as trouble:
            log.warning("A disk takes nothing", extra={"error": type(trouble).__name__})
            return False
        self._is_full = False
        return True

    def _opened(self) -> FileIO:
        file = open_raw(self.path, self._mode)
        try:
            self._on_open(file)
        except BaseException:
            file.close()
            raise
        return file

    def _write_whole(self, file: FileIO, piece: bytes) -> None:
        """All of it or nothing."""
        before = file.seek(0, 2)
        done = 0
        try:
            while done < len(piece):
                done += file.write(piece[done:]) or 0
        except OSError:
            file.truncate(before)
            file.seek(before)
            raise

    def _drop(self) -> None:
        self._held -= len(self._waiting.popleft())


def open_raw(path: Path, mode: str) -> FileIO:
    return FileIO(path, mode)
