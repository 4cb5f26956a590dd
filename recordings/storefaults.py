"""What is wrong with the object of one recording, in words which say what to do."""

import hashlib
import io
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from recordings import ogg
from recordings.errors import ObjectWrong
from recordings.models import Recording, StoreFinding
from recordings.storage import Bucket, StoredObject
from recordings.storage_bulk import CHUNK, Listed

if TYPE_CHECKING:
    pass

log = logging.getLogger(__name__)

Kind = StoreFinding.Kind
OWN_MS = 200  # how much the file may differ from what its row says (M20)
CALL_MS = 2000  # … and from the call
AGAIN = "“Ask for it again” has it delivered by the worker which recorded it, if that has it still."


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    kind: str
    words: str
    measured: int | None = None


@dataclass(slots=True, kw_only=True)
class Reading:
    """How much may be read, and what was learnt by it."""

    budget: int  # bytes which may be hashed
    thorough: bool = False  # hash also what the store has a checksum of
    hashed: int = 0
    unhashed: int = 0
    sha256: str = ""  # of the recording looked at last, if it was read
    duration_ms: int | None = None
    wanted: dict[str, bool] = field(default_factory=dict)  # plan's digest: is it to be recorded


def absent(recording: Recording) -> Fault:
    return Fault(
        kind=Kind.MISSING,
        words=f"The row says stored, the store has no {recording.object_key}. Somebody or a rule "
        f"of the bucket deleted it. Restore it from a backup of the bucket. {AGAIN}",
    )


def faults(
    recording: Recording, listed: Listed, *, talked_ms: int | None, bucket: Bucket, reading: Reading
) -> list[Fault]:
    """All that is wrong with a stored recording. Asks the store thrice, or reads it as a whole."""
    reading.sha256, reading.duration_ms = "", None
    if listed.size == 0:
        return [Fault(kind=Kind.EMPTY, words=f"The object has no bytes. {AGAIN}")]
    if recording.size is not None and listed.size != recording.size:
        words = (
            f"{listed.size} bytes are in the store, {recording.size} were recorded: it was cut off "
            f"or replaced. Restore it from a backup of the bucket. {AGAIN}"
        )
        return [Fault(kind=Kind.SIZE, words=words, measured=listed.size)]
    try:
        found = [*_checksum(recording, listed, bucket, reading)]
        if not found:  # the sound of damaged bytes says nothing
            found = [*_sound(recording, listed, talked_ms, bucket, reading)]
        return found + _type(recording, bucket)
    except ObjectWrong:  # it went while we looked
        return [absent(recording)]


def _checksum(
    recording: Recording, listed: Listed, bucket: Bucket, reading: Reading
) -> list[Fault]:
    head: StoredObject = bucket.head(listed.key)
    told = head.sha256
    if reading.thorough or not told:
        if reading.hashed + listed.size > reading.budget:
            reading.unhashed += 1
        else:
            told = reading.sha256 = _hash(listed.key, bucket)
            reading.hashed += listed.size
    if not told or not recording.sha256 or told == recording.sha256:
        return []
    words = (
        f"The object's bytes are not those which were recorded (SHA-256 {told[:12]}…, recorded "
        f"{recording.sha256[:12]}…). Restore it from a backup of the bucket. {AGAIN}"
    )
    return [Fault(kind=Kind.CHECKSUM, words=words)]


def _hash(key: str, bucket: Bucket) -> str:
    digest = hashlib.sha256()
    for piece in bucket.chunks(key):
        digest.update(piece)
    return digest.hexdigest()


def _sound(
    recording: Recording, listed: Listed, talked_ms: int | None, bucket: Bucket, reading: Reading
) -> list[Fault]:
    sound = length_of(listed, bucket)
    if sound is None:
        words = "The object cannot be read as sound. Listen to it; restore it from a backup."
        return [Fault(kind=Kind.UNREADABLE, words=words)]
    length = reading.duration_ms = sound.duration_ms
    found = []
    if not sound.whole:
        words = (
            "The file ends in the middle of a page: what comes after is lost, unless a worker has "
            f"it. {AGAIN}"
        )
        found.append(Fault(kind=Kind.CUT, words=words, measured=length))
    if recording.duration_ms is not None and abs(recording.duration_ms - length) > OWN_MS:
        words = (
            f"The file has {length} ms of sound, the row says {recording.duration_ms} ms. “Take "
            f"what the store has” writes it into the row, once you have listened to it."
        )
        found.append(Fault(kind=Kind.DURATION, words=words, measured=length))
    elif talked_ms is not None and abs(talked_ms - length) > CALL_MS:
        words = (
            f"The caller was talked with for {talked_ms / 1000:.1f} s, the recording has "
            f"{length / 1000:.1f} s. Look into the worker's log of this call. “Leave it so” notes "
            f"that you know."
        )
        found.append(Fault(kind=Kind.CALL_LENGTH, words=words, measured=length))
    return found


def _type(recording: Recording, bucket: Bucket) -> list[Fault]:
    told = bucket.content_type(recording.object_key)
    if _plain(told) == _plain(recording.content_type):
        return []
    words = (
        f"The store calls it {told or 'nothing'}, the row {recording.content_type}. It plays here "
        f"nevertheless; “Take what the store has” makes the row say the same."
    )
    return [Fault(kind=Kind.CONTENT_TYPE, words=words)]


def _plain(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


def length_of(listed: Listed, bucket: Bucket) -> ogg.Sound | None:
    """From a few kilobytes of it."""
    head = bucket.read(listed.key, 0, ogg.HEAD)
    if head.startswith(b"OggS"):
        start = max(0, listed.size - ogg.TAIL)
        return ogg.read(head, bucket.read(listed.key, start, listed.size - start))
    return _of_another_kind(listed, bucket)


def _of_another_kind(listed: Listed, bucket: Bucket) -> ogg.Sound | None:
    """MP3, MP4 and the like, which libav reads where it must."""
    import av

    try:
        with av.open(_Remote(listed, bucket), "r") as file:
            if not file.streams.audio or not file.duration:
                return None
            channels = int(file.streams.audio[0].channels)
            return ogg.Sound(round(file.duration * 1000 / av.time_base), channels, True)
    except (av.FFmpegError, OSError):
        return None


class _Remote(io.RawIOBase):
    """An object as a file: what is read is fetched, a megabyte at a time."""

    def __init__(self, listed: Listed, bucket: Bucket) -> None:
        self._key, self._size, self._bucket = listed.key, listed.size, bucket
        self._at, self._held, self._begin = 0, b"", 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def read(self, size: int = -1) -> bytes:
        wanted = self._size - self._at if size < 0 else min(size, self._size - self._at)
        if wanted <= 0:
            return b""
        at = self._at - self._begin
        if at < 0 or at + wanted > len(self._held):
            self._begin, at = self._at, 0
            self._held = self._bucket.read(self._key, self._at, max(wanted, CHUNK))
        got = self._held[at : at + wanted]
        self._at += len(got)
        return got
