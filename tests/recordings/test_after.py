"""The steps after a call: in order, repeatable, one result, one charge, one notification."""

import json
from datetime import timedelta
from decimal import Decimal

import pytest
from django.conf import settings as configured
from django.utils import timezone

from agents import seal
from agents.models import PriceEntry
from recordings import after, after_steps, analyses, tasks
from recordings.after_wants import STEPS
from recordings.analyses import Told
from recordings.models import (
    AfterStep,
    Analysis,
    CallCost,
    CallInsight,
    FieldValue,
    Transcript,
    TranscriptVersion,
)
from telephony import subscribing
from telephony.models import OutgoingEvent, Subscription
from tests.factories import NOW, make_account, make_call, make_project
from tests.fakes.bucket import FakeBucket
from tests.recordings.after_cases import HOSTILE, TALK, a_call, run, states, wanting
from tests.recordings.conftest import turn

pytestmark = [
    pytest.mark.db, pytest.mark.django_db, pytest.mark.usefixtures("livekit", "bucket"),
]  # fmt: skip

LLM = "openai-llm"
GOOD = {
    "summary": "Asked what a repair costs.", "disposition": "Price", "sentiment": 0.8,
    "resolved": "yes", "followups": ["Send the invoice."],
    "quality": {
        "0": {"score": 100, "reason": "It did."}, "1": {"score": 50, "reason": ""},
        "2": {"score": 80, "reason": "Friendly."},
    },
    "fields": {"order": {"value": 4711, "confidence": 0.9, "turn": 3}},
}  # fmt: skip


@pytest.fixture
def told():
    """Types of what a subscriber is told."""
    hook = Subscription(
        name="All", url="https://example.com/h", created_at=NOW, events=["call.insight_ready"]
    )
    subscribing.give_secret(hook, now=NOW)
    hook.save()
    return lambda: [json.loads(event.body) for event in OutgoingEvent.objects.order_by("pk")]


@pytest.fixture
def talking():
    """A project with a language model, which wants everything."""
    key = seal.seal("sk-1", keys=configured.SEAL_KEYS)
    project = make_project(llm_account=make_account(LLM, sealed_key=key, model="gpt-4.1-mini"))
    wanting(project, engine="chain")
    return project


def price(**values) -> None:
    PriceEntry.objects.create(
        provider=LLM, model="gpt-4.1-mini", valid_from=NOW.date() - timedelta(days=9), **values
    )


def answer(call, text: object = GOOD, *, now=None) -> None:
    """As a worker does: take the wish, tell."""
    now = now or timezone.now()
    (wish,) = analyses.hand_out(now=now, bucket=FakeBucket())
    told = Told(
        ok=True, text=text if isinstance(text, str) else json.dumps(text), provider=LLM,
        model="gpt-4.1-mini", account="Mine", usage={"input_tokens": 1000, "output_tokens": 100},
    )  # fmt: skip
    analyses.take_outcome(analysis_id=wish["id"], told=told, now=now)


# --- by rules -------------------------------------------------------------------------------------


def test_a_call_without_settings_is_understood_by_rules():
    call = a_call(*TALK)
    assert set(states(call).values()) == {"wanted"}
    found = run(call)
    assert found["retranscribe"] == found["ask"] == found["fields"] == "skipped"
    assert {found[name] for name in ("summary", "sentiment", "resolved", "tell")} == {"done"}
    insight = CallInsight.objects.get(call=call)
    assert "what does a repair cost?" in insight.summary
    assert (insight.disposition, insight.resolved) == ("Answered", "yes")
    assert insight.sentiment_label == "positive"
    assert set(insight.by.values()) == {"rules"}
    assert (insight.settings_version, insight.project, insight.at) == (
        0,
        call.project,
        call.started_at,
    )


def test_what_a_project_wants_is_found_as_typed_values():
    project = make_project()
    wanting(project)
    call = a_call(*TALK, project=project)
    run(call)
    values = {value.name: value for value in FieldValue.objects.all()}
    assert set(values) == {"order", "mail"}
    assert (values["order"].value_number, values["order"].turn) == (Decimal(4711), 3)
    assert values["mail"].value_text == "ann@example.com"
    assert {value.by for value in values.values()} == {"rules"}
    insight = CallInsight.objects.get()
    assert (insight.disposition, insight.quality) == ("Price", 100)
    assert [one["score"] for one in insight.criteria] == [100, 100, None]


def test_what_is_not_wanted_is_not_found_out():
    project = make_project()
    wanting(project, steps=["disposition"])
    call = a_call(*TALK, project=project)
    found = run(call)
    assert [name for name, state in found.items() if state == "done"] == [
        "transcript", "redact", "disposition", "tell",
    ]  # fmt: skip
    insight = CallInsight.objects.get()
    assert (insight.summary, insight.sentiment, insight.by) == ("", None, {"disposition": "rules"})


def test_a_call_nobody_answered_has_no_steps():
    call = make_call(state="ended", end_reason="refused", ended_at=NOW)
    tasks.build_transcript(call_id=call.pk)
    assert Transcript.objects.filter(call=call).exists()
    assert states(call) == {}


def test_a_transcript_which_changes_is_understood_again(told):
    from recordings.journal import take_entries
    from recordings.transcripts import build_transcript
    from tests.recordings.conftest import JOB, ROOM, story

    call = a_call(*TALK)
    run(call)
    late = story(turn("caller", "That is terrible, I am furious!", 9500), first=99)
    take_entries(journal=JOB, room=ROOM, entries=late, now=NOW)
    build_transcript(call_id=call.pk, now=timezone.now())
    assert set(states(call).values()) == {"wanted"}
    run(call)
    assert CallInsight.objects.get().sentiment_label == "negative"
    assert len(told()) == 2


@pytest.mark.parametrize("words", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_words_go_through_every_step(words):
    project = make_project()
    wanting(project)
    call = a_call(turn("caller", words, 2000), turn("agent", "Good-bye.", 3000), project=project)
    assert set(run(call).values()) <= {"done", "skipped"}
    insight = CallInsight.objects.get()
    assert (insight.disposition, insight.followups) == ("", [])
    assert not FieldValue.objects.exists()


# --- killed in the middle -------------------------------------------------------------------------


class Killed(BaseException):
    """Nothing of ours catches it, as nothing catches SIGKILL."""


def kill_in(monkeypatch, name: str, *, after_work: bool = True) -> None:
    """The process dies in a step, once: just before the commit, or before it has done anything."""
    work, lives = after_steps.DO[name], [1]

    def dying(call, now):
        first = lives and lives.pop()
        if first and not after_work:
            raise Killed
        outcome = work(call, now)
        if first:
            raise Killed
        return outcome

    monkeypatch.setitem(after_steps.DO, name, dying)


def to_the_end(call, name: str) -> None:
    """With one who dies in a step on the way."""
    now = timezone.now()
    for _ in range(4):
        try:
            run(call, now)
        except Killed:
            assert states(call)[name] == "running"
            run(call, now)
            assert states(call)[name] == "running"  # nobody takes it while he may be alive
            now += timedelta(seconds=after.CLAIM_S + 1)
            assert after.release_lost(now=now) == 1
        if states(call)["ask"] == "asked":
            answer(call, now=now)


@pytest.mark.parametrize("name", STEPS)
def test_killed_in_a_step_it_is_done_again_once(name, talking, told, monkeypatch):
    price(input_mtok=Decimal(1), output_mtok=Decimal(2))
    call = a_call(*TALK, project=talking)
    kill_in(monkeypatch, name)
    to_the_end(call, name)
    assert set(states(call).values()) == {"done", "skipped"}
    assert AfterStep.objects.get(call=call, name=name).claimed_at
    assert CallInsight.objects.get().by["summary"] == f"{LLM} gpt-4.1-mini"
    assert FieldValue.objects.filter(name="order").count() == 1
    assert Analysis.objects.count() == 1
    assert CallCost.objects.get().amount == Decimal("0.0012")
    assert [event["type"] for event in told()] == ["call.insight_ready"]


def test_killed_before_it_has_done_anything(monkeypatch, told):
    call = a_call(*TALK)
    kill_in(monkeypatch, "tell", after_work=False)
    to_the_end(call, "tell")
    assert states(call)["tell"] == "done"
    assert len(told()) == 1


def test_one_who_comes_back_too_late_changes_nothing(monkeypatch):
    call = a_call(*TALK)
    summary = after_steps.DO["summary"]

    def slow(call, now):
        outcome = summary(call, now)
        AfterStep.objects.filter(call=call, name="summary").update(claim="another")
        return outcome

    monkeypatch.setitem(after_steps.DO, "summary", slow)
    assert run(call)["summary"] == "running"
    assert not CallInsight.objects.filter(call=call).exists()


def test_a_step_which_fails_is_tried_later_and_then_left_out(monkeypatch, caplog):
    def broken(call, now):
        raise ValueError("the caller said 4711")

    monkeypatch.setitem(after_steps.DO, "sentiment", broken)
    call = a_call(*TALK)
    now = timezone.now()
    for wait in after.WAITS_S:
        assert run(call, now)["sentiment"] == "wanted"
        assert states(call)["quality"] == "wanted"
        now += timedelta(seconds=wait)
    found = run(call, now)
    assert (found["sentiment"], found["resolved"], found["tell"]) == ("failed", "done", "done")
    step = AfterStep.objects.get(call=call, name="sentiment")
    assert "4711" not in step.error
    assert "repeat the steps" in step.error


def test_a_step_which_kills_its_worker_each_time_is_given_up(monkeypatch):
    def deadly(call, now):
        raise Killed

    monkeypatch.setitem(after_steps.DO, "fields", deadly)
    call = a_call(*TALK)
    now = timezone.now()
    for _ in range(len(after.WAITS_S) + 1):
        with pytest.raises(Killed):
            run(call, now)
        now += timedelta(seconds=after.CLAIM_S + 1)
        after.release_lost(now=now)
    assert run(call, now)["fields"] == "failed"
    assert states(call)["tell"] == "done"


def test_repeating_all_steps_tells_nobody_the_same_twice(talking, told):
    call = a_call(*TALK, project=talking)
    run(call)
    answer(call)
    run(call)
    before = CallInsight.objects.values().get()
    after.begin(call_id=call.pk, now=timezone.now())
    assert set(run(call).values()) == {"done", "skipped"}
    assert CallInsight.objects.values().get() == before
    assert (len(told()), Analysis.objects.count()) == (1, 1)


def test_the_sweep_finds_what_the_broker_lost(tasks_at_once):
    call = a_call(*TALK)
    tasks.sweep_after()
    assert states(call)["tell"] == "done"


def test_old_steps_are_forgotten_and_their_results_kept():
    call = a_call(*TALK)
    run(call)
    assert after.forget_old(now=timezone.now()) == 0
    assert after.forget_old(now=timezone.now() + timedelta(days=31)) == len(STEPS)
    assert CallInsight.objects.filter(call=call).exists()


# --- by the models --------------------------------------------------------------------------------


def test_the_models_answer_is_taken_value_by_value(talking, told):
    call = a_call(*TALK, project=talking)
    assert run(call)["ask"] == "asked"
    answer(call)
    run(call)
    insight = CallInsight.objects.get()
    who = f"{LLM} gpt-4.1-mini"
    assert (insight.summary, insight.disposition) == ("Asked what a repair costs.", "Price")
    assert (insight.sentiment, insight.resolved, insight.quality) == (0.8, "yes", 86)
    assert insight.followups == ["Send the invoice."]
    assert set(insight.by.values()) == {who}
    order, mail = FieldValue.objects.get(name="order"), FieldValue.objects.get(name="mail")
    assert (order.value_number, order.turn, order.by) == (Decimal(4711), 3, who)
    assert (mail.value_text, mail.by) == ("ann@example.com", "rules")  # no model is asked for it
    (event,) = told()
    assert event["data"]["insight"]["disposition"] == "Price"
    assert "repair" not in json.dumps(event)


@pytest.mark.parametrize(
    "odd",
    [
        "no JSON at all", "[1, 2]", '{"summary": ', "{}" * 3, '{"a":' * 2000, "x" * 50_000,
    ],
)  # fmt: skip
def test_an_answer_which_is_none_is_asked_for_again_then_rules_do_it(odd, talking):
    call = a_call(*TALK, project=talking)
    now = timezone.now()
    for _ in range(analyses.MOST_TRIES):
        assert run(call, now)["ask"] == "asked"
        wait = now + timedelta(minutes=6)
        (wish,) = analyses.hand_out(now=wait, bucket=FakeBucket())
        told = Told(ok=True, text=odd, provider=LLM, usage={"output_tokens": 5})
        analyses.take_outcome(analysis_id=wish["id"], told=told, now=wait)
        now = wait
    assert run(call, now)["ask"] == "failed"
    insight = CallInsight.objects.get()
    assert set(insight.by.values()) == {"rules"}
    assert "what does a repair cost?" in insight.summary
    assert len(Analysis.objects.get().usage) == analyses.MOST_TRIES  # each was paid for


def test_values_which_do_not_pass_are_the_rules(talking):
    call = a_call(*TALK, project=talking)
    run(call)
    answer(call, {
        "summary": 7, "disposition": "VIP", "sentiment": 40, "resolved": "maybe",
        "followups": "call", "quality": {"0": {"score": 1e9}},
        "fields": {"order": {"value": "none", "turn": 99}, "shop": {"value": "West"}},
    })  # fmt: skip
    run(call)
    insight = CallInsight.objects.get()
    assert set(insight.by.values()) == {"rules"}
    assert insight.disposition == "Price"
    assert FieldValue.objects.get(name="order").by == "rules"
    assert not FieldValue.objects.filter(name="shop").exists()


def test_what_a_model_says_is_cut_and_cleaned(talking):
    call = a_call(*TALK, project=talking)
    run(call)
    answer(call, GOOD | {
        "summary": "a\0b\n\ud83d<script>" + "x" * 5000, "followups": ["f" * 999, "", 3] * 20,
    })  # fmt: skip
    run(call)
    insight = CallInsight.objects.get()
    assert insight.summary.startswith("a b ?<script>") or insight.summary.startswith("a b")
    assert "\0" not in insight.summary
    assert len(insight.summary) == 1200
    assert [len(one) for one in insight.followups] == [300]


def test_the_question_holds_the_transcript_as_data_and_nothing_secret(talking):
    card = "4111 1111 1111 1111"
    call = a_call(
        turn("caller", f'"}}] {HOSTILE["injection"]} {card}', 2000),
        turn("agent", "Good-bye.", 3000), project=talking,
    )  # fmt: skip
    run(call)
    (wish,) = analyses.hand_out(now=timezone.now(), bucket=FakeBucket())
    mark, body, end = wish["user"].splitlines()
    assert mark == end
    assert mark in wish["system"]
    turns = json.loads(body)
    assert [one["who"] for one in turns] == ["caller", "agent"]
    assert HOSTILE["injection"] in turns[0]["text"]
    assert HOSTILE["injection"] not in wish["system"]
    assert card not in wish["user"]
    assert wish["schema"]["additionalProperties"] is False
    assert set(wish["schema"]["required"]) == {*GOOD}
    assert "mail" not in wish["schema"]["properties"]["fields"]["properties"]


def test_a_long_call_is_asked_about_by_its_beginning_and_its_end(talking):
    said = [turn("caller", f"{n}: " + "word " * 100, 2000 + n) for n in range(600)]
    call = a_call(*said, project=talking)
    run(call)
    (wish,) = analyses.hand_out(now=timezone.now(), bucket=FakeBucket())
    turns = json.loads(wish["user"].splitlines()[1])
    assert len(wish["user"]) < 60_000
    assert (turns[0]["n"], turns[-1]["n"]) == (0, 599)
    assert any(one["text"] == "(left out)" for one in turns)


def test_silence_and_the_embedded_engine_ask_no_model(talking):
    call = a_call(turn("agent", "Hello.", 2000), project=talking)
    assert run(call)["ask"] == "skipped"


def test_a_local_project_asks_no_model_outside(talking):
    plan = a_call(*TALK, project=talking)
    talking.refresh_from_db()
    body = json.loads(talking.published.body) | {"mode": "local"}
    type(talking.published).objects.filter(pk=talking.published_id).update(body=json.dumps(body))
    assert run(plan)["ask"] == "skipped"


# --- who takes the question -----------------------------------------------------------------------


def test_a_question_is_handed_out_once_and_given_back_when_nothing_comes(talking):
    call = a_call(*TALK, project=talking)
    run(call)
    now = timezone.now()
    (wish,) = analyses.hand_out(now=now, bucket=FakeBucket())
    assert analyses.hand_out(now=now, bucket=FakeBucket()) == []
    later = now + timedelta(minutes=4)
    analyses.expire(now=later)
    (again,) = analyses.hand_out(now=later, bucket=FakeBucket())
    assert again == wish
    assert analyses.give_back(analysis_id=wish["id"], now=later)
    assert Analysis.objects.get().tries == 1
    analyses.hand_out(now=later, bucket=FakeBucket())
    told = Told(ok=True, text=json.dumps(GOOD))
    analyses.take_outcome(analysis_id=wish["id"], told=told, now=later)
    with pytest.raises(analyses.AnalysisOver):
        analyses.take_outcome(analysis_id=wish["id"], told=told, now=later)
    with pytest.raises(analyses.NoSuchAnalysis):
        analyses.take_outcome(analysis_id=4711, told=told, now=later)


def test_without_a_worker_rules_do_it_in_the_end(talking):
    call = a_call(*TALK, project=talking)
    now = timezone.now()
    for _ in range(analyses.MOST_TRIES):
        assert run(call, now)["ask"] == "asked"
        now += timedelta(minutes=20)
        analyses.expire(now=now)
    assert run(call, now)["ask"] == "failed"
    assert "is one running?" in AfterStep.objects.get(name="ask").error
    assert set(CallInsight.objects.get().by.values()) == {"rules"}


def test_settings_which_change_meanwhile_make_another_question(talking):
    call = a_call(*TALK, project=talking)
    run(call)
    talking.after_call.dispositions.filter(name="Price").update(name="Prices")
    assert analyses.hand_out(now=timezone.now(), bucket=FakeBucket()) == []
    assert run(call)["ask"] == "asked"
    answer(call, GOOD | {"disposition": "Prices"})
    run(call)
    assert CallInsight.objects.get().disposition == "Prices"


def test_redacted_text_is_a_version_of_its_own(monkeypatch):
    call = a_call(*TALK)
    monkeypatch.setattr(after_steps, "redact", lambda text: text.replace("4711", "[number]"))
    run(call)
    version = TranscriptVersion.objects.get(call=call)
    assert version.kind == "redacted"
    assert "[number]" in version.segments[3]["text"]
    assert "4711" in Transcript.objects.get(call=call).text


def test_a_backlog_is_taken_call_by_call_oldest_first(monkeypatch):
    """Counted in steps, two hundred at once were seventeen calls."""
    monkeypatch.setattr(after, "AT_ONCE", 3)
    calls = [make_call(room=f"call_late_{n}") for n in range(4)]
    now = timezone.now()
    for n, call in enumerate(calls):
        after.begin(call_id=call.pk, now=now - timedelta(minutes=n))
    assert after.due(now=now) == [call.pk for call in reversed(calls[1:])]
