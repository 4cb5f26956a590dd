"""What Prometheus reads: the same from every web process, and only by those who may."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from recordings import metrics
from recordings.journal import take_entries
from recordings.models import CallCost, ProjectBudget, TurnFigure
from recordings.tally import tally
from telephony.models import Call
from tests.factories import NOW, make_call, make_plan
from tests.recordings.conftest import ANSWERED, JOB, ROOM, closed, opened, story, turn

pytestmark = [pytest.mark.db, pytest.mark.django_db]


def read(client, **headers: str) -> dict[str, float]:
    """Every sample as Prometheus' own parser reads it."""
    answer = client.get("/metrics", headers=headers)
    assert answer.status_code == 200
    found = {}
    for family in text_string_to_metric_families(answer.content.decode()):
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}"] = sample.value
    return found


@pytest.fixture
def told(django_capture_on_commit_callbacks, livekit, tasks_at_once, bucket) -> Call:
    """A call with three answers, two switches, an error and a cost."""
    plan = make_plan()

    def answer(total: int) -> tuple[str, dict[str, Any]]:
        return turn("agent", "Yes.", total, latency={"total": total, "llm": total - 300})

    entries = story(
        opened(plan=plan.digest), ANSWERED,
        ("usage", {"role": "tts", "provider": "cartesia-tts", "model": "sonic-3",
                   "characters": 1000}),
        ("switch", {"role": "stt", "provider": "deepgram-stt", "reason": "stalled", "to": "B"}),
        answer(450), answer(780), answer(2600),
        ("switch", {"role": "stt", "provider": "deepgram-stt", "reason": "stalled", "to": ""}),
        ("error", {"what": "stt", "detail": "gone"}),
        closed(),
    )  # fmt: skip
    call = make_call(room=ROOM, project=plan.project, plan_digest=plan.digest)
    with django_capture_on_commit_callbacks(execute=True):
        take_entries(journal=JOB, room=ROOM, entries=entries, now=NOW)
    return call


def test_nothing_has_happened_yet(client):
    found = read(client)
    assert found["voice_ai_active_sessions{}"] == 0
    assert found["voice_ai_latency_ms_count{stage=total}"] == 0


def test_a_call_is_counted_by_stage_end_error_switch_and_cost(client, told):
    make_call(room="call_on", state="talking")
    found = read(client)
    assert found["voice_ai_latency_ms_count{stage=total}"] == 3
    assert found["voice_ai_latency_ms_sum{stage=total}"] == 3830
    assert found["voice_ai_latency_ms_bucket{le=500,stage=total}"] == 1
    assert found["voice_ai_latency_ms_bucket{le=800,stage=total}"] == 2
    assert found["voice_ai_latency_ms_bucket{le=+Inf,stage=total}"] == 3
    assert found["voice_ai_latency_ms_count{stage=llm}"] == 3
    assert found["voice_ai_active_sessions{}"] == 1
    assert found["voice_ai_sessions_total{end_reason=caller,project=shop}"] == 1
    assert found["voice_ai_errors_total{what=stt}"] == 1
    switched = "provider=deepgram-stt,reason=stalled,role=stt"
    assert found[f"voice_ai_provider_switches_total{{{switched}}}"] == 2
    assert found["voice_ai_cost_usd_total{project=shop}"] == pytest.approx(0.05)


def test_counters_stay_when_a_call_is_counted_again_or_deleted(client, told):
    before = read(client)
    tally(call_id=told.pk, now=NOW)
    assert read(client) == before
    told.delete()
    assert read(client)["voice_ai_latency_ms_count{stage=total}"] == 3


def test_budgets_are_gauges(client, told):
    assert told.project
    ProjectBudget.objects.create(project=told.project, monthly_usd="0.06")
    CallCost.objects.update(at=timezone.now())
    found = read(client)
    assert found["voice_ai_budget_used_ratio{project=shop}"] == pytest.approx(0.8333)
    assert found["voice_ai_budget_warning{project=shop}"] == 1
    assert found["voice_ai_budget_cheaper_order{project=shop}"] == 0


def test_what_a_journal_calls_an_error_cannot_break_the_format(client, told):
    told.entries.filter(kind="error").update(data={"what": 'a"b\n|c' + "x" * 100})
    tally(call_id=told.pk, now=NOW)
    (error,) = [n for n, v in read(client).items() if n.startswith("voice_ai_errors") and v]
    assert len(error) < 100


def test_a_scrape_asks_the_database_little_however_many_calls(client, told):
    with CaptureQueriesContext(connection) as seen:
        read(client)
    assert len(seen) <= 6


# --- the last hour and day ------------------------------------------------------------------------


def test_percentiles_of_the_last_hour_and_day(client, told):
    now = timezone.now()
    first, second, third = TurnFigure.objects.order_by("n")
    for figure, ago in ((first, 10), (second, 20), (third, 60 * 5)):
        TurnFigure.objects.filter(pk=figure.pk).update(at=now - timedelta(minutes=ago))
    found = client.get("/metrics/latency").json()["ms"]
    assert found["hour"]["total"] == {"turns": 2, "p50": 615, "p95": 764, "p99": 777}
    assert found["day"]["total"]["turns"] == 3
    assert set(found["day"]) == {"total", "llm"}


def test_without_calls_there_are_no_percentiles(client):
    assert client.get("/metrics/latency").json()["ms"] == {"hour": {}, "day": {}}


# --- who may --------------------------------------------------------------------------------------

ADDRESSES = ("/metrics", "/metrics/latency")


@pytest.mark.parametrize("page", ADDRESSES)
@pytest.mark.parametrize(
    ("address", "status"),
    [("127.0.0.1", 200), ("::1", 200), ("10.1.2.3", 200), ("192.168.0.9", 200),
     ("8.8.8.8", 403), ("::ffff:8.8.8.8", 403), ("::ffff:10.0.0.1", 200), ("", 403)],
)  # fmt: skip
def test_without_a_token_only_the_own_network_is_answered(client, page, address, status):
    answer = client.get(page, REMOTE_ADDR=address)
    assert answer.status_code == status
    if status == 403:
        assert "METRICS_TOKEN" in answer.content.decode()


@pytest.mark.parametrize(
    "header", ["X-Forwarded-For", "Forwarded", "X-Forwarded-Proto", "X-Real-IP", "Via"]
)
def test_what_a_proxy_forwards_is_not_near(client, header):
    assert client.get("/metrics", headers={header: "10.0.0.1"}).status_code == 403


@pytest.mark.parametrize("page", ADDRESSES)
def test_with_a_token_everybody_needs_it(client, settings, page):
    settings.METRICS_TOKEN = "a-long-token"
    assert client.get(page).status_code == 401
    for wrong in ("Bearer other", "Bearer ", "Basic a-long-token", "a-long-token", "Bearer ä"):
        assert client.get(page, headers={"Authorization": wrong}).status_code == 401
    right = {"Authorization": "Bearer a-long-token", "X-Forwarded-For": "8.8.8.8"}
    assert client.get(page, headers=right, REMOTE_ADDR="8.8.8.8").status_code == 200


@pytest.mark.parametrize("page", ADDRESSES)
def test_metrics_are_only_read(client, page):
    assert client.post(page).status_code == 405


def test_latency_metrics_can_be_switched_off(client, told, settings):
    settings.AGENT_DEFAULTS = replace(settings.AGENT_DEFAULTS, latency_metrics=False)
    found = read(client)
    assert not [name for name in found if name.startswith("voice_ai_latency_ms")]
    assert found["voice_ai_errors_total{what=stt}"] == 1
    assert client.get("/metrics/latency").json()["ms"] == {}


def test_nothing_is_asked_of_the_database_before_a_scrape():
    with CaptureQueriesContext(connection) as seen:
        metrics._Database(NOW).describe()
    assert len(seen) == 0
