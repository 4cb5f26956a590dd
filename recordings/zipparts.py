"""A ZIP which is written in one go by several processes: stored, not compressed (sound is). Pure.

`zipfile` writes to what cannot seek; to go on, it is told where we are and which files are in.
"""

import zipfile
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import IO, Any, cast


class Resumable:
    """`told` is what must be kept to go on after `begin` bytes."""

    def __init__(
        self,
        write: Callable[[bytes], object],
        *,
        begin: int = 0,
        told: Sequence[list[Any]] = (),
    ) -> None:
        self._sink = _Sink(write, begin)
        self._zip = zipfile.ZipFile(cast(IO[bytes], self._sink), "w", zipfile.ZIP_STORED)
        for entry in told:
            info = _info(entry)
            self._zip.filelist.append(info)
            self._zip.NameToInfo[info.filename] = info

    @property
    def told(self) -> list[list[Any]]:
        return [
            [i.filename, list(i.date_time), i.header_offset, i.CRC, i.file_size, i.flag_bits]
            for i in self._zip.infolist()
        ]

    def add(self, name: str, at: datetime, pieces: Iterator[bytes]) -> None:
        info = zipfile.ZipInfo(name, date_time=(*at.timetuple()[:6],))  # type: ignore[arg-type]
        with self._zip.open(info, "w") as entry:
            for piece in pieces:
                entry.write(piece)

    def abandon(self) -> None:
        """Nothing more is written: zipfile would write the end when it is forgotten."""
        self._zip.fp = None

    def close(self) -> None:
        self._zip.close()


def _info(entry: list[Any]) -> zipfile.ZipInfo:
    name, at, offset, crc, size, flags = entry
    info = zipfile.ZipInfo(name, date_time=tuple(at))
    info.header_offset, info.CRC, info.flag_bits = offset, crc, flags
    info.file_size = info.compress_size = size
    info.external_attr = 0o600 << 16  # as zipfile gives to what it writes
    return info


class _Sink:
    """Knows where it is, and cannot seek."""

    def __init__(self, write: Callable[[bytes], object], begin: int) -> None:
        self._write, self._at = write, begin

    def write(self, data: bytes) -> int:
        self._write(bytes(data))
        self._at += len(data)
        return len(data)

    def tell(self) -> int:
        return self._at

    def seek(self, *_: object) -> int:
        raise OSError("A part which was sent is not written again.")

    def flush(self) -> None:
        pass
