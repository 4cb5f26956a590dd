"""What Prometheus asks for, from the database: the same whichever web process answers."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.utils import timezone
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from recordings import budgets, counters
from recordings.latency import STAGES
from recordings.models import TurnFigure
from recordings.percentiles import percentiles
from telephony.lifecycle import OPEN_STATES
from telephony.models import Call

WINDOWS = {"hour": timedelta(hours=1), "day": timedelta(days=1)}
# name, what it is, labels; the keys of recordings.counters
_COUNTERS = {
    "sessions": ("voice_ai_sessions", "Calls which are over.", ("project", "end_reason")),
    "errors": ("voice_ai_errors", "Errors of workers.", ("what",)),
    "switches": (
        "voice_ai_provider_switches",
        "Times a provider was left for another, or failed with none left.",
        ("role", "provider", "reason"),
    ),
    "cost": ("voice_ai_cost_usd", "What providers took, by the price book.", ("project",)),
}


def text(*, now: datetime) -> bytes:
    """In the format of Prometheus."""
    registry = CollectorRegistry()
    registry.register(_Database(now))
    return generate_latest(registry)


class _Database(Collector):
    def __init__(self, now: datetime) -> None:
        self.now = now

    def describe(self) -> Iterable[Metric]:
        """Nothing is asked of the database before somebody asks us."""
        return ()

    def collect(self) -> Iterable[Metric]:
        values = counters.all_values()
        if settings.AGENT_DEFAULTS.latency_metrics:
            yield _latency(values)
        for name in _COUNTERS:
            yield _counter(name, values)
        yield GaugeMetricFamily(
            "voice_ai_active_sessions",
            "Calls which are on.",
            value=Call.objects.filter(state__in=[state.value for state in OPEN_STATES]).count(),
        )
        yield from _budgets(self.now)


def _latency(values: list[tuple[list[str], Any]]) -> Metric:
    metric = HistogramMetricFamily(
        "voice_ai_latency_ms", "Of the bot's answers, in ms, by stage.", labels=["stage"]
    )
    counts = {(parts[1], parts[2]): n for parts, n in values if parts[0] == "latency"}
    sums = {parts[1]: float(n) for parts, n in values if parts[0] == "latency_sum"}
    for stage in STAGES:
        buckets, below = [], 0.0
        for most in (*map(str, counters.BUCKETS_MS), counters.OVER):
            below += float(counts.get((stage, most), 0))
            buckets.append((most, below))
        metric.add_metric([stage], buckets, sums.get(stage, 0.0))
    return metric


def _counter(name: str, values: list[tuple[list[str], Any]]) -> Metric:
    title, words, labels = _COUNTERS[name]
    metric = CounterMetricFamily(title, words, labels=list(labels))
    for parts, value in values:
        if parts[0] == name and len(parts) == len(labels) + 1:
            metric.add_metric(parts[1:], float(value))
    return metric


def _budgets(now: datetime) -> Iterable[Metric]:
    used = GaugeMetricFamily(
        "voice_ai_budget_used_ratio", "Of the month's budget; 1 is all.", labels=["project"]
    )
    warned = GaugeMetricFamily(
        "voice_ai_budget_warning", "1 from the warning on.", labels=["project"]
    )
    cheaper = GaugeMetricFamily(
        "voice_ai_budget_cheaper_order", "1 while the cheapest providers go first.",
        labels=["project"],
    )  # fmt: skip
    for standing in budgets.standings(now=now):
        labels = [standing.project.slug]
        used.add_metric(labels, round(standing.share, 4))
        warned.add_metric(labels, float(standing.level != budgets.FINE))
        cheaper.add_metric(labels, float(standing.is_cheaper))
    return used, warned, cheaper


def latency(*, now: datetime) -> dict[str, Any]:
    """p50, p95 and p99 of each stage of the last hour and day."""
    found: dict[str, Any] = {}
    windows = WINDOWS if settings.AGENT_DEFAULTS.latency_metrics else {}
    for name, length in windows.items():
        rows = TurnFigure.objects.filter(at__gt=now - length, at__lte=now)
        columns = percentiles(rows, [f"{stage}_ms" for stage in STAGES]).get(None, {})
        found[name] = {
            stage: {"turns": of.n, "p50": of.p50, "p95": of.p95, "p99": of.p99}
            for stage in STAGES
            if (of := columns.get(f"{stage}_ms"))
        }
    return {"at": timezone.localtime(now).isoformat(timespec="seconds"), "ms": found}
