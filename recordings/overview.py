"""Pictures of calls over some days, from rows of hours: when they come, what becomes of them, what
is asked, and what was not understood."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.db.models import Count, Max, Sum
from django.utils import timezone

from agents.models import FaqEntry, Project
from recordings import charts, questions
from recordings.figures import Span
from recordings.models import AskedQuestion, HourFigure
from recordings.rollup import COLUMNS

How = AskedQuestion.How
MOST = 12  # questions of a list
SAMPLES = 5  # wordings and calls of a question
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
SHARES = (  # column, words
    ("contained", "Contained: the bot was enough"),
    ("handover", "Asked for a person"),
    ("transferred", "Transferred"),
    ("abandoned", "Abandoned before the answer"),
    ("repeated", "Called again within 7 days"),
)


@dataclass(frozen=True, slots=True)
class Cell:
    x: float
    calls: int
    share: float  # of the fullest hour, 0 to 1
    words: str


@dataclass(frozen=True, slots=True)
class Row:
    label: str
    cells: tuple[Cell, ...]
    total: int


@dataclass(frozen=True, slots=True)
class Share:
    label: str
    n: int
    percent: int
    width: float


@dataclass(frozen=True, slots=True)
class Question:
    project_id: int | None
    cluster: str
    text: str  # as it is asked most often
    variants: tuple[str, ...]
    n: int
    calls: tuple[int, ...]  # the newest


@dataclass(frozen=True, slots=True)
class Hours:
    totals: dict[str, int]
    rows: tuple[Row, ...]
    by_day: dict[date, dict[str, int]]


def hours(span: Span) -> Hours:
    """One query, of at most a row an hour."""
    limits = span.filter()
    of_hours = {name.replace("at__", "hour__"): value for name, value in limits.items()}
    found: Iterable[Mapping[str, Any]] = (
        HourFigure.objects.filter(**of_hours)
        .order_by()
        .values("hour")
        .annotate(**{f"{name}_n": Sum(name) for name in COLUMNS})
    )
    is_short = (span.last - span.first).days < 14
    keys: Iterable[Any] = span.days() if is_short else range(7)
    grid: dict[Any, list[int]] = {key: [0] * 24 for key in keys}
    totals = dict.fromkeys(COLUMNS, 0)
    by_day: dict[date, dict[str, int]] = {}
    for row in found:
        at = timezone.localtime(row["hour"])
        key: Any = at.date() if is_short else at.weekday()
        if key in grid:
            grid[key][at.hour] += row["calls_n"]
        day = by_day.setdefault(at.date(), dict.fromkeys(COLUMNS, 0))
        for name in COLUMNS:
            totals[name] += row[f"{name}_n"]
            day[name] += row[f"{name}_n"]
    return Hours(totals, tuple(_rows(grid)), by_day)


def _rows(grid: dict[Any, list[int]]) -> Iterable[Row]:
    most = max((n for cells in grid.values() for n in cells), default=0)
    for key, cells in grid.items():
        label = WEEKDAYS[key] if isinstance(key, int) else f"{key:%a %m-%d}"
        drawn = tuple(
            Cell(round(100 * h / 24, 3), n, round(n / most, 3) if most else 0.0,
                 f"{label} {h:02}:00: {n} calls")
            for h, n in enumerate(cells)
        )  # fmt: skip
        yield Row(label, drawn, sum(cells))


def shares(totals: dict[str, int]) -> list[Share]:
    """Of all calls; containment of those which were answered."""
    found = []
    for column, words in SHARES:
        whole = totals["answered"] if column == "contained" else totals["calls"]
        percent = round(100 * totals[column] / whole) if whole else 0
        found.append(Share(words, totals[column], percent, charts.share(totals[column], whole)))
    return found


def contained_chart(found: Hours, span: Span) -> list[charts.Column]:
    """Contained calls before all answered ones, a column a day."""
    bars: list[tuple[str, charts.Number, charts.Number]] = []
    for day in span.days():
        of_day = found.by_day.get(day) or dict.fromkeys(COLUMNS, 0)
        words = f"{day}: {of_day['contained']} of {of_day['answered']} answered calls contained"
        bars.append((words, of_day["answered"], of_day["contained"]))
    return charts.columns(bars)


def top(span: Span, *hows: str) -> list[Question]:
    """The most frequent, alike ones together. Two queries, and one for each question shown."""
    rows = AskedQuestion.objects.filter(**span.filter(), how__in=hows)
    groups = list(
        rows.order_by()
        .values("project", "cluster")
        .annotate(n=Count("pk"))
        .order_by("-n", "cluster")[:MOST]
    )
    clusters = {group["cluster"] for group in groups}
    texts: dict[tuple[Any, str], list[str]] = {}
    wordings = rows.filter(cluster__in=clusters).order_by().values("project", "cluster", "text")
    for row in wordings.annotate(n=Count("pk")).order_by("-n", "text")[: MOST * 40]:
        kept = texts.setdefault((row["project"], row["cluster"]), [])
        if len(kept) <= SAMPLES and questions.plain(row["text"]) not in map(questions.plain, kept):
            kept.append(row["text"])
    return [_question(group, texts, rows) for group in groups]


def _question(group: Mapping[str, Any], texts: dict[Any, list[str]], rows: Any) -> Question:
    key = (group["project"], group["cluster"])
    said = texts.get(key) or [group["cluster"]]
    newest = rows.filter(project=group["project"], cluster=group["cluster"]).order_by("-at")
    calls = list(dict.fromkeys(newest.values_list("call", flat=True)[:SAMPLES]))
    return Question(*key, said[0], tuple(said[1:]), group["n"], tuple(calls))


def make_faq(*, project: Project, cluster: str) -> FaqEntry:
    """A draft of an entry: the question as it is asked most often, its wordings, no answer yet, so
    that the project cannot be published before somebody writes one. May be repeated."""
    rows = AskedQuestion.objects.filter(project=project, cluster=cluster)
    said = [
        row["text"]
        for row in rows.order_by()
        .values("text")
        .annotate(n=Count("pk"))
        .order_by("-n", "text")[:50]
    ]
    if not said:
        raise AskedQuestion.DoesNotExist
    once = list({questions.plain(text): text for text in reversed(said)}.values())[::-1]
    known = project.faq.filter(question=once[0]).first()
    if known:
        return known
    last = project.faq.aggregate(last=Max("position"))["last"] or 0
    return FaqEntry.objects.create(
        project=project, question=once[0], variants="\n".join(once[1:11]), answer="",
        position=last + 1,
    )  # fmt: skip
