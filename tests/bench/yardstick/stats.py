"""Percentiles, how sure a ratio is, and the order of the blocks. Pure, and the same for a seed."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Samples = Sequence[float | None]  # None: it never came, which counts as endless
RESAMPLES = 4000


def percentile(values: Samples, share: float) -> float | None:
    """Nearest rank: a value which was really measured; None for no values."""
    return None if not len(values) else float(_ranked(_endless(values)[None, :], share)[0])


def median(values: Samples) -> float | None:
    return percentile(values, 0.5)


@dataclass(frozen=True, slots=True)
class Ratio:
    """Ours over theirs. It is a difference when the interval leaves 1 out."""

    value: float
    low: float
    high: float

    @property
    def is_sure(self) -> bool:
        return self.high < 1 or self.low > 1


def ratio(ours: Samples, theirs: Samples, share: float, seed: int) -> Ratio | None:
    """Of two percentiles, with the bootstrap's 95 % interval; None when one side has nothing."""
    return ratio_of(ours, theirs, lambda drawn: _ranked(drawn, share), seed)


def ratio_of_means(ours: Samples, theirs: Samples, seed: int) -> Ratio | None:
    return ratio_of(ours, theirs, lambda drawn: np.asarray(drawn.mean(axis=1)), seed)


def ratio_of(
    ours: Samples, theirs: Samples, figure: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    seed: int,
) -> Ratio | None:  # fmt: skip
    """`figure` takes samples × turns and gives one value for each sample."""
    if not len(ours) or not len(theirs):
        return None
    dice = np.random.default_rng(seed)
    mine, other = _endless(ours), _endless(theirs)
    with np.errstate(invalid="ignore", divide="ignore"):
        value = figure(mine[None, :]) / figure(other[None, :])
        drawn = figure(_resampled(mine, dice)) / figure(_resampled(other, dice))
    if np.isnan(value[0]) or np.isnan(drawn).all():
        return None
    low, high = _ranked(drawn[~np.isnan(drawn)][None, :], np.array([0.025, 0.975]))
    return Ratio(float(value[0]), float(low), float(high))


def _resampled(values: NDArray[np.float64], dice: np.random.Generator) -> NDArray[np.float64]:
    return values[dice.integers(0, len(values), (RESAMPLES, len(values)))]


def _ranked(rows: NDArray[np.float64], share: "float | NDArray[np.float64]") -> NDArray[np.float64]:
    """Nearest rank of each row; of the only row for several shares."""
    length = rows.shape[1]
    place = np.clip(np.ceil(np.asarray(share) * length).astype(int) - 1, 0, length - 1)
    return np.asarray(np.sort(rows, axis=1)[:, place].reshape(-1))


def _endless(values: Samples) -> NDArray[np.float64]:
    return np.array([np.inf if value is None else value for value in values], np.float64)


def block_order(arms: Sequence[str], blocks: int, seed: int) -> list[str]:
    """There and back again (A B C C B A …): what drifts during a run meets all arms alike."""
    there = random.Random(seed).sample(list(arms), len(arms))
    return [arm for number in range(blocks) for arm in (there[::-1] if number % 2 else there)]


def slope(points: Sequence[tuple[float, float]]) -> float | None:
    """Of the straight line through the points; None for fewer than two places."""
    if len({x for x, _ in points}) < 2:
        return None
    x, y = np.array(points, np.float64).T
    return float(np.polyfit(x, y, 1)[0])
