"""How long an Ogg file is, from its first and last bytes alone. Pure.

RFC 3533 (pages), RFC 7845 (Opus). The last page says how many samples there are up to its end.
"""

from dataclasses import dataclass
from struct import unpack_from

HEAD = 4096  # enough for the first page
TAIL = 65_536 + 512  # no page is longer than 65 307 bytes, so the last one begins in here
_HEADER = 27
_NOTHING_ENDS = -1  # a page on which no packet ends
_OPUS_RATE = 48_000  # its positions count so, whatever was recorded


@dataclass(frozen=True, slots=True)
class Sound:
    duration_ms: int
    channels: int
    whole: bool  # the last page is complete: nothing was cut off in the middle of it


def read(head: bytes, tail: bytes) -> Sound | None:
    """`tail`: the last TAIL bytes, or all. None if this is no Ogg with Opus or Vorbis in it."""
    known = _codec(head)
    if known is None:
        return None
    channels, rate, skip = known
    last, whole = _last_position(tail)
    return Sound(max(0, round((last - skip) * 1000 / rate)), channels, whole)


def _codec(head: bytes) -> tuple[int, int, int] | None:
    """Channels, positions a second, samples to be left out at the beginning."""
    if not head.startswith(b"OggS") or len(head) < _HEADER + 1:
        return None
    packet = head[_HEADER + head[26] :]
    if packet.startswith(b"OpusHead") and len(packet) >= 12:
        return packet[9], _OPUS_RATE, unpack_from("<H", packet, 10)[0]
    if packet.startswith(b"\x01vorbis") and len(packet) >= 16:
        rate = unpack_from("<I", packet, 12)[0]
        return (packet[11], rate, 0) if rate else None
    return None


def _last_position(tail: bytes) -> tuple[int, bool]:
    """The position of the last page which has one, and whether the file ends with a whole page."""
    at, end, whole = len(tail), len(tail), False
    while (at := tail.rfind(b"OggS", 0, at)) >= 0:
        length = _page_length(tail, at)
        if length is None:  # cut off within its header, or no page at all
            continue
        if at + length == end:
            whole = True
        elif at + length > end:  # cut off within: it does not count
            continue
        position = unpack_from("<q", tail, at + 6)[0]
        if position != _NOTHING_ENDS:
            return position, whole
    return 0, whole


def _page_length(data: bytes, at: int) -> int | None:
    if at + _HEADER > len(data) or data[at + 4] != 0:
        return None
    table = data[at + _HEADER : at + _HEADER + data[at + 26]]
    if len(table) < data[at + 26]:
        return None
    return _HEADER + len(table) + sum(table)
