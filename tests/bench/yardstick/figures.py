"""From rows to the table: each metric of each arm, ratios with intervals, targets."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any, Literal

from tests.bench.yardstick.judge import Row, Turn
from tests.bench.yardstick.ramp import Ramp
from tests.bench.yardstick.scenario import PAUSES_MS
from tests.bench.yardstick.stats import Ratio, Samples, percentile, ratio, ratio_of_means

Of = Literal["p50", "p95", "mean", ""]
SHARES = {"p50": 0.5, "p95": 0.95}
OVERHEAD_MS = 250 + 300 + 120 + 40  # what “const” providers take, and two packets


@dataclass(frozen=True, slots=True)
class Target:
    at_most: float
    absolute: bool = False  # of our own figure, not of a ratio
    at_least: bool = False  # the other way round

    def __str__(self) -> str:
        sign = "≥" if self.at_least else "≤"
        return f"{sign} {self.at_most:g}" + ("" if self.absolute else "×")

    def is_met(self, value: float) -> bool:
        return value >= self.at_most if self.at_least else value <= self.at_most


@dataclass(slots=True)
class Figure:
    name: str
    of: Of = ""
    unit: str = "ms"
    target: Target | None = None
    values: dict[str, float | None] = field(default_factory=dict)  # by arm
    counts: dict[str, str] = field(default_factory=dict)  # n, and what is missing
    ratios: dict[str, Ratio] = field(default_factory=dict)  # ours over that arm

    def met(self, arm: str, against: str) -> bool | None:
        """None: no target, or nothing to judge. A ratio counts only when its interval leaves 1
        out; of single figures there is no interval."""
        if self.target is None:
            return None
        if self.target.absolute:
            value = self.values.get(arm)
            return None if value is None else self.target.is_met(value)
        found = self.ratios.get(against)
        return None if found is None else self.target.is_met(found.value) and found.is_sure

    def plain(self) -> dict[str, Any]:
        ratios = {arm: asdict(found) for arm, found in self.ratios.items()}
        target = str(self.target) if self.target else ""
        return {
            "metric": self.name, "of": self.of, "unit": self.unit, "target": target,
            "values": self.values, "n": self.counts, "ratios": ratios,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Compared:
    """The arms' rows, and who is compared with whom."""

    rows: Sequence[Row]
    arm: str
    others: Sequence[str]
    seed: int

    @property
    def arms(self) -> list[str]:
        return [self.arm, *self.others]

    def calls(self, arm: str) -> list[Row]:
        return [row for row in self.rows if row.arm == arm]

    def turns(self, arm: str, *kinds: str) -> list[Turn]:
        found = [turn for row in self.calls(arm) for turn in row.turns]
        return [turn for turn in found if not kinds or turn.kind in kinds]

    def figure(
        self, name: str, of: Of, samples: Callable[[str], Samples], *, target: Target | None = None,
        unit: str = "ms",
    ) -> Figure:  # fmt: skip
        found = Figure(name, of, unit, target)
        mine = samples(self.arm)
        for arm in self.arms:
            values = samples(arm)
            missing = sum(value is None for value in values)
            found.values[arm] = _value(values, of)
            found.counts[arm] = str(len(values)) + (f", {missing} never" if missing else "")
            if arm != self.arm and (other := self._ratio(mine, values, of)) is not None:
                found.ratios[arm] = other
        return found

    def _ratio(self, mine: Samples, theirs: Samples, of: Of) -> Ratio | None:
        if of == "mean":
            return ratio_of_means(mine, theirs, self.seed)
        return ratio(mine, theirs, SHARES[of], self.seed)

    def single(
        self, name: str, value: Callable[[str], float | None], *, unit: str,
        target: Target | None = None,
    ) -> Figure:  # fmt: skip
        """One value for each arm, without an interval."""
        found = Figure(name, "", unit, target, {arm: value(arm) for arm in self.arms})
        mine = found.values[self.arm]
        for arm in self.others:
            theirs = found.values[arm]
            if mine is not None and theirs:
                found.ratios[arm] = Ratio(mine / theirs, mine / theirs, mine / theirs)
        return found


def _value(values: Samples, of: Of) -> float | None:
    if of == "mean":
        known = [value for value in values if value is not None]
        return sum(known) / len(known) if known else None
    return percentile(values, SHARES[of])


# --- what is asked of the rows --------------------------------------------------------------------


def latency(at: Compared, *, const: bool) -> list[Figure]:
    def content(*kinds: str) -> Callable[[str], Samples]:
        return lambda arm: [turn.content_ms for turn in at.turns(arm, *kinds)]

    plain = content("plain")
    overhead = [
        at.figure("… less what providers take", "p50", lambda arm: _less(plain(arm), OVERHEAD_MS))
    ]
    return [
        at.figure("voice to voice", "p50", plain, target=Target(0.60)),
        at.figure("voice to voice", "p95", plain, target=Target(0.50)),
        *(overhead if const else []),
        at.figure("any audio", "p50", lambda arm: [t.any_ms for t in at.turns(arm, "plain")]),
        at.figure("first turn of a call", "p50", lambda arm: _firsts(at.turns(arm, "plain"))),
        at.figure("FAQ turn", "p50", content("faq"), target=Target(0.35)),
        at.figure("yes or no, digits", "p50", content("yes_no", "digits")),
        at.figure("after a pause of his", "p50", content("pause")),
        at.figure("INVITE → answer", "p95", lambda arm: _answers(at, arm), target=Target(0.5)),
        at.figure("answer → greeting", "p95", lambda arm: _greetings(at, arm), target=Target(0.15)),
        at.figure(
            "barge-in stop", "p95", lambda arm: _stops(at, arm), target=Target(250, absolute=True)
        ),
    ]


def _less(values: Samples, ms: float) -> Samples:
    return [None if value is None else value - ms for value in values]


def _firsts(turns: list[Turn]) -> Samples:
    return [turn.content_ms for turn in turns if turn.nth == 0]


def _answers(at: Compared, arm: str) -> Samples:
    return [row.answer_ms for row in at.calls(arm)]


def _greetings(at: Compared, arm: str) -> Samples:
    return [row.greeting_ms for row in at.calls(arm) if row.status == 200]


def _stops(at: Compared, arm: str) -> Samples:
    return [turn.stop_ms for turn in at.turns(arm, "barge") if turn.stop_ms is not None]


def cost(at: Compared, cpu: Mapping[str, float | None]) -> list[Figure]:
    """`cpu`: seconds of the arm's worker for a minute of its calls."""

    def thoughts(arm: str) -> Samples:
        return [float(turn.thoughts) for turn in at.turns(arm)]

    def voiced(arm: str) -> Samples:
        return [turn.voiced for turn in at.turns(arm)]

    return [
        at.figure("model requests a turn", "mean", thoughts, unit=""),
        at.figure("voice made, over needed", "mean", voiced, unit=""),
        at.single("gaps over 60 ms", lambda arm: _gaps(at.turns(arm)), unit="a min"),
        at.single("agent CPU", lambda arm: cpu.get(arm), unit="s a min"),
    ]


def _gaps(turns: list[Turn]) -> float | None:
    known = [turn for turn in turns if turn.gaps is not None and turn.answer_s]
    minutes = sum(turn.answer_s or 0 for turn in known) / 60
    return sum(turn.gaps or 0 for turn in known) / minutes if minutes else None


def density(at: Compared, ramps: Mapping[str, Ramp]) -> list[Figure]:
    def per_core(arm: str) -> float | None:
        return ramps[arm].per_core if arm in ramps else None

    def memory(arm: str) -> float | None:
        return ramps[arm].mib_per_call if arm in ramps else None

    def idle(arm: str) -> float | None:
        return ramps[arm].idle_pss_mib if arm in ramps else None

    more, less = Target(2.0, at_least=True), Target(0.5)
    return [
        at.single("calls a core", per_core, unit="", target=more),
        at.single("memory an added call", memory, unit="MiB", target=less),
        at.single("memory at rest", idle, unit="MiB"),
    ]


# --- what must not get worse for speed ------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Count:
    """So many of so many, for each arm."""

    name: str
    by_arm: dict[str, tuple[int, int]]

    def plain(self) -> dict[str, Any]:
        return {"name": self.name, "by_arm": self.by_arm}


def counts(at: Compared) -> list[Count]:
    whole = ("plain", "faq", "yes_no", "digits")
    return [
        _count(at, "began before the caller's end", lambda turn: bool(turn.cut), *whole),
        *(
            _count(at, f"{ms} ms pause: began {where}", partial(_is_cut, cut=cut), "pause", ms=ms)
            for ms in PAUSES_MS
            for cut, where in (("inside", "inside it"), ("overlap", "after he went on"))
        ),
        _count(at, "nothing heard within 5 s", lambda turn: turn.missed),
        _count(at, "another answer, or a lost one", lambda turn: not turn.right),
        _count(at, "began with a filler", lambda turn: turn.filler),
        Count("calls not answered", {arm: _unanswered(at.calls(arm)) for arm in at.arms}),
        _count(at, "marker and energy disagree", lambda turn: turn.flagged),
        _count(at, "judged by energy alone", lambda turn: turn.by == "energy"),
    ]


def _count(
    at: Compared, name: str, is_so: Callable[[Turn], bool], *kinds: str, ms: int = 0
) -> Count:
    by_arm = {}
    for arm in at.arms:
        turns = [turn for turn in at.turns(arm, *kinds) if turn.pause_ms == ms or not ms]
        by_arm[arm] = (sum(is_so(turn) for turn in turns), len(turns))
    return Count(name, by_arm)


def _is_cut(turn: Turn, cut: str) -> bool:
    return turn.cut == cut


def _unanswered(calls: list[Row]) -> tuple[int, int]:
    return sum(row.status != 200 for row in calls), len(calls)
