"""Where something is heard, and whether it should have been. Pure; mono s16 at 8 kHz."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from telephony.caller.audio import RATE, SPEECH_DBFS, SPEECH_MS, Pcm
from tests.emulators.speech import find_marker

HOP = RATE // 200  # 5 ms
FRAME = RATE // 50  # 20 ms
LIKE = 0.6  # likeness above which it is the marker
AGREE_MS = 20.0
BEFORE_S = 0.15  # how far before a marker the energy is looked at
PAUSE_MS = 400  # an agent silent for so long has stopped
GAP_MS = 60
DRIFT_MS = 120  # by which places in speech and reference may differ

Cut = Literal["", "inside", "overlap"]


def levels(pcm: Pcm) -> NDArray[np.float64]:
    """RMS of 20 ms at every 5 ms; the first begins at sample 0."""
    if len(pcm) < FRAME:
        return np.zeros(0)
    sums = np.concatenate([[0.0], np.cumsum(pcm.astype(np.float64) ** 2)])
    at = np.arange(0, len(pcm) - FRAME + 1, HOP)
    return np.asarray(np.sqrt((sums[at + FRAME] - sums[at]) / FRAME))


def loud(pcm: Pcm) -> NDArray[np.bool_]:
    return np.asarray(levels(pcm) > 32768 * 10 ** (SPEECH_DBFS / 20))


def energy_onset(pcm: Pcm, start: int = 0) -> int | None:
    """The first sample from `start` on where 60 ms above -45 dBFS begin."""
    is_loud = loud(pcm[start:])
    need = SPEECH_MS * RATE // 1000 // HOP - 3  # windows overlap by three hops
    if len(is_loud) < need:
        return None
    sums = np.concatenate([[0], np.cumsum(is_loud)])
    runs = np.flatnonzero(sums[need:] - sums[:-need] == need)
    if not len(runs):
        return None
    first = start + int(runs[0]) * HOP
    if not runs[0] and loud(np.tile(pcm[start : start + HOP], 4))[0]:
        return start  # it sounds already
    return first + FRAME - HOP  # only the last hop of the first loud window is the sound


def marker_onset(pcm: Pcm, n: int, start: int = 0, end: int | None = None) -> int | None:
    """The sample from `start` on where marker `n` begins, by matched filter; None: not heard."""
    found = find_marker(pcm[start:end], RATE, n, floor=LIKE)
    return None if found is None else start + round(found * RATE)


def agrees(pcm: Pcm, onset: int) -> bool:
    """Whether the energy begins where the matched filter says."""
    start = max(0, onset - round(BEFORE_S * RATE))
    by_energy = energy_onset(pcm, start)
    return by_energy is not None and abs(by_energy - onset) * 1000 / RATE <= AGREE_MS


def onsets(pcm: Pcm, start: int, end: int) -> list[int]:
    """Where an agent begins to speak between two samples; silences below 400 ms are his breath."""
    found: list[int] = []
    at: int | None = start
    while at is not None and (at := energy_onset(pcm[:end], at)) is not None:
        found.append(at)
        at = speech_end(pcm[:end], at)
    return found


def speech_end(pcm: Pcm, onset: int) -> int | None:
    """Where the speech which is heard at `onset` stops; None: not before the sound ends."""
    is_loud = loud(pcm[onset:])
    need = PAUSE_MS * RATE // 1000 // HOP
    sums = np.concatenate([[0], np.cumsum(is_loud)])
    if len(is_loud) < need:
        return None
    quiet = np.flatnonzero(sums[need:] - sums[:-need] == 0)
    return onset + int(quiet[0]) * HOP if len(quiet) else None


def cut_off(begins: Sequence[float], pause: tuple[float, float] | None, end: float) -> Cut:
    """Judge where an agent began to speak in a turn of the caller (moments on one clock).

    "inside": in the pause in the middle of the turn, or before the end of a turn without one;
    "overlap": after the caller had gone on and before he had finished.
    """
    early = [moment for moment in begins if moment < end]
    if pause is None:
        return "inside" if early else ""
    if any(pause[0] <= moment < pause[1] for moment in early):
        return "inside"
    return "overlap" if any(moment >= pause[1] for moment in early) else ""


def silences(pcm: Pcm) -> list[tuple[float, float]]:
    """(ms of sound before it, its length in ms) of each silence between two sounds."""
    is_loud = loud(pcm)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], is_loud.astype(np.int8), [0]])))
    runs = edges.reshape(-1, 2)
    ms = HOP * 1000 / RATE
    sounded = np.cumsum(runs[:, 1] - runs[:, 0]) * ms
    return [
        (float(sounded[n]), float((runs[n + 1, 0] - runs[n, 1]) * ms)) for n in range(len(runs) - 1)
    ]


def gaps(heard: Pcm, reference: Pcm) -> int:
    """How many silences of the heard answer are over 60 ms longer than in what was synthesised."""
    known = silences(reference)
    count = 0
    for place, length in silences(heard):
        near = [known_ms for at, known_ms in known if abs(at - place) <= DRIFT_MS]
        count += length - max(near, default=0.0) > GAP_MS
    return count
