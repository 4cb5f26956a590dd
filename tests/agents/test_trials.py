"""“Try it”: asking, handing out once, taking the outcome, giving up."""

import base64
import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from django.conf import settings
from django.db import connection, connections
from django.utils import timezone

from agents import seal, trials
from agents.models_trials import MOST_SOUND, ProviderTrial
from agents.plan import Stage
from agents.trials import CannotTry, Outcome
from tests.agents.trials_cases import WAV, a_voice, ask, taken
from tests.factories import NOW, make_account

pytestmark = [pytest.mark.db, pytest.mark.django_db]

TOKEN = {"Authorization": f"Bearer {settings.WORKER_TOKEN}"}


def facts(**changes) -> dict:
    wav = base64.b64encode(WAV).decode()
    return {"ok": True, "ms": 120, "text": "", "error": "", "wav": wav} | changes


def post(client, path: str, body: object, headers=TOKEN):
    return client.post(
        f"/internal/plans/{path}", json.dumps(body), "application/json", headers=headers
    )


# --- what workers ask -----------------------------------------------------------------------------


def test_a_worker_gets_what_it_needs_to_try(client):
    key = seal.seal("sk-1", keys=settings.SEAL_KEYS)
    account = make_account("cartesia-tts", name="Mine", sealed_key=key)
    ask(account, at=timezone.now(), voice="v1", language="de")
    (told,) = post(client, "trials", {}).json()["trials"]
    stage = Stage(**told["stage"])
    assert (told["role"], told["language"], told["text"]) == ("tts", "de", "Hello.")
    assert (stage.provider, stage.account, stage.sealed_key) == ("cartesia-tts", "Mine", key)
    assert stage.options == {"model": "sonic-3", "voice": "v1"}


def test_each_trial_is_handed_out_once(client):
    now = timezone.now()
    first, second = ask(at=now), ask(at=now)
    got = [post(client, "trials", {}).json()["trials"] for _ in range(3)]
    assert [[one["id"] for one in told] for told in got] == [[first.pk], [second.pk], []]


@pytest.mark.parametrize("path", ["trials", "trials/1"])
def test_without_the_token_nothing_is_told(client, path):
    trial = ask(at=timezone.now())
    for headers in ({}, {"Authorization": "Bearer wrong"}):
        assert post(client, path, facts(), headers).status_code == 401
    trial.refresh_from_db()
    assert trial.state == "pending"


def test_an_outcome_is_taken_once(client):
    trial = taken()
    assert post(client, f"trials/{trial.pk}", facts()).status_code == 200
    assert post(client, f"trials/{trial.pk}", facts(ok=False, ms=1)).status_code == 409
    trial.refresh_from_db()
    assert (trial.state, trial.ok, trial.ms, bytes(trial.sound)) == ("done", True, 120, WAV)


def test_what_nobody_was_given_has_no_outcome(client):
    assert post(client, f"trials/{ask().pk}", facts()).status_code == 409
    assert post(client, "trials/4711", facts()).status_code == 404


@pytest.mark.parametrize(
    "body",
    [
        [], {}, facts(ok="yes"), facts(ms=-1), facts(ms=True), facts(ms=2**31), facts(text=None),
        facts(error=3), facts(wav="no base64!"), facts(wav="TVAz"), facts(wav="é"),
    ],
)  # fmt: skip
def test_what_is_no_outcome_is_refused(client, body):
    trial = taken()
    assert post(client, f"trials/{trial.pk}", body).status_code == 400
    trial.refresh_from_db()
    assert trial.state == "running"


@pytest.mark.parametrize("excess", [1, 1024**2])
def test_a_sound_which_is_too_big_is_the_outcome(client, excess):
    """Just over the limit for sounds, and far over that for bodies."""
    trial = taken()
    sound = WAV + bytes(MOST_SOUND - len(WAV) + excess)
    body = facts(wav=base64.b64encode(sound).decode())
    assert post(client, f"trials/{trial.pk}", body).status_code == 413
    trial.refresh_from_db()
    assert (trial.state, trial.ok, bytes(trial.sound)) == ("done", False, b"")
    assert trial.error == "The sound has more than 2 MB. Try a shorter text."


def test_the_biggest_sound_is_kept_whole(client):
    trial = taken()
    sound = WAV + bytes(MOST_SOUND - len(WAV))
    body = facts(wav=base64.b64encode(sound).decode())
    assert post(client, f"trials/{trial.pk}", body).status_code == 200
    trial.refresh_from_db()
    assert bytes(trial.sound) == sound


def test_words_no_database_takes_are_cleaned(client):
    trial = taken(make_account("openai-llm", sealed_key=seal.seal("k", keys=settings.SEAL_KEYS)))
    said = facts(text="one\0two\ud83dthree" + "x" * 9000, wav="")
    assert post(client, f"trials/{trial.pk}", said).status_code == 200
    trial.refresh_from_db()
    assert trial.answer.startswith("onetwo?three")
    assert len(trial.answer) == 2000


def test_only_a_voice_has_a_sound_and_none_is_well_without(client):
    heard = taken(make_account("whisper", base_url="http://whisper:8000/v1"))
    silent = taken()
    post(client, f"trials/{heard.pk}", facts(text="Hello."))
    post(client, f"trials/{silent.pk}", facts(wav=""))
    for trial in (heard, silent):
        trial.refresh_from_db()
    assert (heard.ok, heard.answer, bytes(heard.sound)) == (True, "Hello.", b"")
    assert (silent.ok, silent.error) == (False, trials.NO_SOUND)


@pytest.mark.skipif(connection.vendor == "sqlite", reason="lives in memory, in one connection")
@pytest.mark.django_db(transaction=True)
def test_workers_which_ask_at_once_share_the_trials():
    asked = {ask().pk for _ in range(4)}
    barrier = Barrier(6)

    def work(_: int) -> list[int]:
        try:
            barrier.wait(timeout=10)
            return [one["id"] for _ in range(2) for one in trials.hand_out(now=NOW)]
        finally:
            connections.close_all()

    with ThreadPoolExecutor(6) as pool:
        got = [pk for told in pool.map(work, range(6)) for pk in told]
    assert sorted(got) == sorted(asked)


# --- giving up ------------------------------------------------------------------------------------


def after(seconds: float):
    return NOW + timedelta(seconds=seconds)


def test_nobody_took_it():
    trial = ask()
    (still,) = trials.latest(account_id=trial.account_id, now=after(15))
    assert still.state == "pending"
    (gone,) = trials.latest(account_id=trial.account_id, now=after(15.1))
    assert (gone.state, gone.error) == ("lost", "No worker took it within 15 s: is one running?")
    assert trials.hand_out(now=after(16)) == []


def test_a_worker_which_comes_too_late_gets_nothing():
    """Nobody looked meanwhile: the page was closed."""
    ask()
    assert trials.hand_out(now=after(3600)) == []


def test_a_worker_took_it_and_went():
    trial = taken()
    assert trials.latest(account_id=trial.account_id, now=after(30))[0].state == "running"
    (gone,) = trials.latest(account_id=trial.account_id, now=after(30.1))
    assert (gone.state, gone.error) == ("lost", trials.UNHEARD)


def test_an_outcome_which_comes_late_is_better_than_none():
    trial = taken()
    trials.expire(now=after(31))
    trials.take_outcome(trial_id=trial.pk, outcome=Outcome(ok=True, sound=WAV), now=after(32))
    trial.refresh_from_db()
    assert (trial.state, trial.error) == ("done", "")


def test_who_waits_behind_another_waits_longer():
    """One worker tries one after another: that it is busy is no reason to look for it."""
    slow, patient = taken(), ask(at=after(1))
    assert trials.latest(account_id=patient.account_id, now=after(20))[0].state == "pending"
    trials.take_outcome(trial_id=slow.pk, outcome=Outcome(ok=False), now=after(20))
    assert trials.latest(account_id=patient.account_id, now=after(21))[0].state == "pending"
    assert trials.latest(account_id=patient.account_id, now=after(36))[0].state == "lost"


def test_the_last_five_of_each_account_are_kept():
    account, other = a_voice(), make_account("flite")
    kept = taken(other)
    trials.take_outcome(trial_id=kept.pk, outcome=Outcome(ok=True, sound=WAV), now=NOW)
    done = [taken(account) for _ in range(7)]
    waits = ask(account)
    for trial in done:
        trials.take_outcome(trial_id=trial.pk, outcome=Outcome(ok=True, sound=WAV), now=NOW)
    left = [one.pk for one in trials.latest(account_id=account.pk, now=NOW)]
    assert left == [waits.pk, *(trial.pk for trial in reversed(done[3:]))]
    assert ProviderTrial.objects.count() == 6


# --- who cannot be tried --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("slug", "told"),
    [
        ("sphinx", "knows only what a project taught it"),
        ("faq", "knows only what a project taught it"),
        ("openai-llm", "has no key"),
        ("whisper", "has no base URL"),
        ("oldvendor", "does not know the provider “oldvendor”"),
    ],
)
def test_what_cannot_work_is_said_at_once(admin_client, slug, told):
    account = make_account(slug)
    with pytest.raises(CannotTry, match=told):
        ask(account)
    assert not ProviderTrial.objects.exists()
    page = admin_client.get(f"/admin/agents/provideraccount/{account.pk}/change/")
    assert told in page.content.decode()
    assert "try-form" not in page.content.decode()


def test_what_was_tried_is_noted_with_model_and_voice():
    trial = ask(make_account("flite"))
    assert (trial.role, trial.voice, trial.model, trial.asked_by) == ("tts", "slt", "", "ann")
