"""What was taken out of the words is silenced in the sound, whoever is killed on the way."""

import hashlib
from datetime import timedelta
from pathlib import Path

import av
import numpy as np
import pytest

from recordings import masking, services, sound, tasks
from recordings.errors import ObjectWrong, SoundBroken, StoreUnavailable
from recordings.models import AudioMask, JournalEntry, Recording, RedactionRules, Transcript
from telephony.models import Call
from tests.factories import NOW, make_call, make_plan
from tests.fakes.bucket import FakeBucket

pytestmark = [pytest.mark.db, pytest.mark.django_db]

RATE = 16_000
LENGTH_S = 12
STARTS_MS = 500
LATER = NOW + timedelta(seconds=masking.CLAIM_S + 1)


@pytest.fixture(scope="module")
def ogg(tmp_path_factory) -> bytes:
    """Both channels talk all the time: 300 Hz left, 500 Hz right."""
    file = tmp_path_factory.mktemp("sound") / "call.ogg"
    at = np.arange(RATE * LENGTH_S) / RATE
    pair = np.stack([np.sin(2 * np.pi * hz * at) * 12_000 for hz in (300, 500)], axis=1)
    write(file, pair.astype(np.int16))
    return file.read_bytes()


def write(file: Path, samples: np.ndarray) -> None:
    layout = "stereo" if samples.shape[1] == 2 else "mono"
    with av.open(str(file), "w", format="ogg") as made:
        stream = made.add_stream("libopus", rate=RATE, layout=layout)
        for first in range(0, len(samples), RATE):
            block = np.ascontiguousarray(samples[first : first + RATE]).reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(block, format="s16", layout=layout)
            frame.sample_rate, frame.pts = RATE, first
            made.mux(stream.encode(frame))
        made.mux(stream.encode(None))


def loudness(body: bytes, tmp_path: Path, channel: int, start_s: float, end_s: float, hz: int):
    """How much of a tone is in a channel between two times; 1 as it was recorded."""
    file = tmp_path / "heard.ogg"
    file.write_bytes(body)
    with av.open(str(file)) as opened:
        stereo = len(opened.streams.audio[0].layout.channels)
        resampler = av.AudioResampler(format="s16", layout="stereo", rate=RATE)
        heard = np.concatenate(
            [f.to_ndarray().reshape(-1, 2) for d in opened.decode(audio=0)
             for f in resampler.resample(d)]
        )  # fmt: skip
    assert stereo in (1, 2)
    part = heard[round(start_s * RATE) : round(end_s * RATE), channel].astype(float)
    at = np.arange(len(part)) / RATE
    return 2 * abs(np.mean(part * np.exp(-2j * np.pi * hz * at))) / 12_000


@pytest.fixture
def bucket(ogg) -> FakeBucket:
    fake = FakeBucket()
    fake.objects["shop/call.ogg"] = ogg
    return fake


@pytest.fixture
def recording(ogg) -> Recording:
    """A stored recording with its words, of a project which masks sound: a card at 4 to 6 s of
    the journal by the caller, read back at 8 to 9 s by the bot."""
    plan = make_plan()
    RedactionRules.objects.create(project=plan.project, mask_audio=True)
    call = make_call(
        room="call_x", state="ended", project=plan.project, plan_digest=plan.digest,
        started_at=NOW, ended_at=NOW,
    )  # fmt: skip
    JournalEntry.objects.create(call=call, journal="AJ", n=0, ms=0, at=NOW, kind="opened")
    for n, (who, start, end) in enumerate((("caller", 4000, 6000), ("agent", 8000, 9000)), 1):
        masked = [{"kind": "card", "start_ms": start, "end_ms": end}]
        data = {"who": who, "text": "[card number]", "start_ms": start, "end_ms": end}
        JournalEntry.objects.create(
            call=call,
            journal="AJ",
            n=n,
            ms=end,
            at=NOW,
            kind="turn",
            data=data | {"masked": masked},
        )
    Transcript.objects.create(call=call, built_at=NOW)
    return Recording.objects.create(
        call=call, recorder="worker", state="stored", object_key="shop/call.ogg",
        size=len(ogg), sha256=hashlib.sha256(ogg).hexdigest(), duration_ms=LENGTH_S * 1000,
        starts_ms=STARTS_MS, created_at=NOW, stored_at=NOW,
    )  # fmt: skip


def work(recording: Recording, bucket: FakeBucket, *, now=NOW) -> bool:
    masking.consider(call_id=recording.call_id)
    return masking.mask_recording(recording_id=recording.pk, bucket=bucket, now=now)


def settled(recording: Recording, bucket: FakeBucket) -> None:
    """One object, the one the row names, as the row describes it; nothing left to do."""
    recording.refresh_from_db()
    assert list(bucket.objects) == [recording.object_key]
    body = bucket.objects[recording.object_key]
    assert (recording.size, recording.sha256) == (len(body), hashlib.sha256(body).hexdigest())
    assert AudioMask.objects.get().state == "done"
    assert [cut["kind"] for cut in recording.mask] == ["card", "card"]


def test_the_speakers_channel_is_silent_there_and_all_else_is_as_it_was(
    recording, bucket, tmp_path
):
    assert work(recording, bucket)
    settled(recording, bucket)
    assert recording.object_key == "shop/call.masked-1.ogg"
    assert recording.mask == [
        {"kind": "card", "channel": 0, "start_ms": 3500, "end_ms": 5500},
        {"kind": "card", "channel": 1, "start_ms": 7500, "end_ms": 8500},
    ]
    assert abs(recording.duration_ms - LENGTH_S * 1000) < 50
    body = bucket.objects[recording.object_key]
    assert loudness(body, tmp_path, 0, 3.6, 5.4, 300) < 0.02
    assert loudness(body, tmp_path, 1, 3.6, 5.4, 500) > 0.7
    assert loudness(body, tmp_path, 1, 7.6, 8.4, 500) < 0.02
    assert loudness(body, tmp_path, 0, 7.6, 8.4, 300) > 0.7
    assert loudness(body, tmp_path, 0, 0.5, 3.4, 300) > 0.7
    assert loudness(body, tmp_path, 1, 9.0, 11.5, 500) > 0.7


def test_a_second_run_changes_nothing(recording, bucket):
    work(recording, bucket)
    before = dict(bucket.objects)
    assert work(recording, bucket, now=LATER)
    assert bucket.objects == before
    settled(recording, bucket)


class Killed(BaseException):
    """The worker was killed here."""


DEATHS = ("get", "mask", "before put", "after put", "head", "switch", "before delete", "delete")


@pytest.mark.parametrize("place", DEATHS)
def test_killed_anywhere_nothing_is_lost_or_doubled(recording, bucket, monkeypatch, place, ogg):
    def die(*args: object, **kwargs: object) -> None:
        raise Killed

    put, delete = bucket.put, bucket.delete

    def put_and_die(*args, **kwargs):
        put(*args, **kwargs)
        raise Killed

    def delete_and_die(key):
        delete(key)
        raise Killed

    target, name, deadly = {
        "get": (bucket, "get", die),
        "mask": (sound, "mask", die),
        "before put": (bucket, "put", die),
        "after put": (bucket, "put", put_and_die),
        "head": (bucket, "head", die),
        "switch": (masking, "_switch", die),
        "before delete": (bucket, "delete", die),
        "delete": (bucket, "delete", delete_and_die),
    }[place]
    with monkeypatch.context() as patch:
        patch.setattr(target, name, deadly)
        with pytest.raises(Killed):
            work(recording, bucket)
    recording.refresh_from_db()
    assert recording.object_key in bucket.objects  # what the row names is always there
    assert set(bucket.objects) <= set(masking.keys_of(recording))  # and nothing is unnamed
    masking.mask_recording(recording_id=recording.pk, bucket=bucket, now=LATER)
    settled(recording, bucket)


def test_one_who_was_thought_dead_changes_nothing_any_more(recording, bucket, monkeypatch):
    """The first worker stalls in the middle; the second one does the work; the first goes on."""
    mask = sound.mask

    def stall(*args):
        monkeypatch.setattr(sound, "mask", mask)
        assert masking.mask_recording(recording_id=recording.pk, bucket=bucket, now=LATER)
        return mask(*args)

    monkeypatch.setattr(sound, "mask", stall)
    work(recording, bucket)
    settled(recording, bucket)


def test_while_the_store_is_away_it_waits(recording, bucket):
    bucket.away = True
    with pytest.raises(StoreUnavailable):
        work(recording, bucket)
    row = AudioMask.objects.get()
    assert (row.state, row.error) == (
        "waiting", "The object store does not answer. Check S3_ENDPOINT.",
    )  # fmt: skip
    bucket.away = False
    assert masking.mask_recording(recording_id=recording.pk, bucket=bucket, now=NOW)
    settled(recording, bucket)


@pytest.mark.parametrize("kept", [0.5, 0.0])
def test_what_the_store_gives_back_cut_off_is_not_masked_and_kept(recording, bucket, ogg, kept):
    bucket.objects["shop/call.ogg"] = ogg[: round(len(ogg) * kept)]
    assert not work(recording, bucket)
    row = AudioMask.objects.get()
    assert row.state == "failed"
    assert "not what was recorded" in row.error
    assert list(bucket.objects) == ["shop/call.ogg"]
    bucket.objects["shop/call.ogg"] = ogg
    assert masking.try_again(recording_ids=[recording.pk]) == 1
    assert masking.mask_recording(recording_id=recording.pk, bucket=bucket, now=NOW)
    settled(recording, bucket)


def test_what_is_no_sound_fails_in_words(recording, bucket):
    body = b"no sound at all"
    bucket.objects["shop/call.ogg"] = body
    Recording.objects.update(size=len(body), sha256=hashlib.sha256(body).hexdigest())
    assert not work(recording, bucket)
    assert "cannot be read as sound" in AudioMask.objects.get().error


def test_words_masked_later_are_masked_in_the_sound_later(recording, bucket, tmp_path):
    work(recording, bucket)
    late = {"who": "caller", "text": "[name]", "start_ms": 1000, "end_ms": 2000}
    JournalEntry.objects.create(
        call=recording.call, journal="AJ", n=3, ms=1, at=NOW, kind="turn",
        data=late | {"masked": [{"kind": "name", "start_ms": 1000, "end_ms": 2000}]},
    )  # fmt: skip
    assert masking.consider(call_id=recording.call_id) == recording.pk
    assert masking.mask_recording(recording_id=recording.pk, bucket=bucket, now=NOW)
    recording.refresh_from_db()
    assert recording.object_key == "shop/call.masked-2.ogg"
    assert list(bucket.objects) == [recording.object_key]
    body = bucket.objects[recording.object_key]
    assert loudness(body, tmp_path, 0, 0.6, 1.4, 300) < 0.02
    assert loudness(body, tmp_path, 0, 3.6, 5.4, 300) < 0.02


def test_a_recording_of_egress_is_silenced_on_both_channels(recording, bucket, tmp_path):
    Recording.objects.update(recorder="egress")
    work(recording, bucket)
    recording.refresh_from_db()
    body = bucket.objects[recording.object_key]
    assert loudness(body, tmp_path, 1, 3.6, 5.4, 500) < 0.02


def test_nothing_to_mask_leaves_the_object_alone(recording, bucket):
    JournalEntry.objects.filter(kind="turn").delete()
    assert work(recording, bucket)
    assert AudioMask.objects.get().state == "nothing"
    assert list(bucket.objects) == ["shop/call.ogg"]


def test_a_recording_deleted_meanwhile_leaves_no_object(recording, bucket, monkeypatch):
    put = bucket.put

    def put_and_replaced(*args, **kwargs):
        put(*args, **kwargs)
        Recording.objects.update(object_key="shop/other.ogg")

    monkeypatch.setattr(bucket, "put", put_and_replaced)
    work(recording, bucket)
    assert list(bucket.objects) == ["shop/call.ogg"]
    assert AudioMask.objects.get().state == "waiting"


# --- who may hear it meanwhile -------------------------------------------------------------------


def test_until_it_is_masked_it_is_not_played(recording, bucket):
    with pytest.raises(ObjectWrong, match="being silenced"):
        services.playable_url(recording=recording, bucket=bucket)
    work(recording, bucket)
    recording.refresh_from_db()
    assert "masked-1" in services.playable_url(recording=recording, bucket=bucket)


def test_of_a_project_without_masking_it_is_played_and_left_alone(recording, bucket):
    RedactionRules.objects.update(mask_audio=False)
    assert masking.consider(call_id=recording.call_id) is None
    assert services.playable_url(recording=recording, bucket=bucket)
    assert not AudioMask.objects.exists()


def test_a_worker_which_offers_the_original_again_throws_it_away(recording, bucket, ogg):
    """Its first delivery was not acknowledged: it must not keep the unmasked file."""
    work(recording, bucket)
    facts = {
        "sha256": hashlib.sha256(ogg).hexdigest(), "size": len(ogg), "duration_ms": 12_000,
        "starts_ms": STARTS_MS, "content_type": "audio/ogg",
    }  # fmt: skip
    _, link = services.offer_upload(call_id=recording.call_id, facts=facts, bucket=bucket, now=NOW)
    assert link is None
    settled(recording, bucket)


# --- what begins it -----------------------------------------------------------------------------


@pytest.fixture
def wired(monkeypatch, bucket, livekit, tasks_at_once):
    from recordings import wiring

    monkeypatch.setattr(wiring, "bucket", lambda: bucket)


@pytest.mark.usefixtures("wired")
def test_the_sound_which_comes_last_begins_it(
    recording, bucket, django_capture_on_commit_callbacks
):
    Recording.objects.update(state="uploading")
    with django_capture_on_commit_callbacks(execute=True):
        services.close_recording(recording_id=recording.pk, bucket=bucket, now=NOW)
    settled(recording, bucket)


@pytest.mark.usefixtures("wired")
def test_the_words_which_come_last_begin_it(recording, bucket, django_capture_on_commit_callbacks):
    Transcript.objects.all().delete()
    with django_capture_on_commit_callbacks(execute=True):
        tasks.build_transcript(call_id=Call.objects.get().pk)
    settled(recording, bucket)


@pytest.mark.usefixtures("wired")
def test_the_sweep_finds_what_no_message_told(recording, bucket, monkeypatch):
    monkeypatch.setattr("django.utils.timezone.now", lambda: NOW)
    tasks.sweep()
    settled(recording, bucket)


# --- the file -----------------------------------------------------------------------------------


def test_of_a_mono_file_the_one_channel_is_silenced(tmp_path):
    at = np.arange(RATE * 3) / RATE
    tone = (np.sin(2 * np.pi * 300 * at) * 12_000).astype(np.int16)[:, None]
    write(tmp_path / "mono.ogg", tone)
    cut = sound.Cut(start_ms=1000, end_ms=2000, channel=1)
    facts = sound.mask(tmp_path / "mono.ogg", tmp_path / "out.ogg", [cut])
    assert facts.channels == 1
    body = (tmp_path / "out.ogg").read_bytes()
    assert loudness(body, tmp_path, 0, 1.1, 1.9, 300) < 0.02
    assert loudness(body, tmp_path, 0, 2.1, 2.9, 300) > 0.7


def test_a_file_cut_off_in_the_middle_is_masked_as_far_as_it_goes(tmp_path, ogg):
    (tmp_path / "torn.ogg").write_bytes(ogg[: len(ogg) // 2])
    facts = sound.mask(tmp_path / "torn.ogg", tmp_path / "out.ogg", [])
    assert 0 < facts.duration_ms < LENGTH_S * 1000


@pytest.mark.parametrize("body", [b"", b"OggS", b"RIFF" + b"x" * 1000])
def test_what_is_no_sound_is_said_to_be_none(tmp_path, body):
    (tmp_path / "none.ogg").write_bytes(body)
    with pytest.raises(SoundBroken):
        sound.mask(tmp_path / "none.ogg", tmp_path / "out.ogg", [])
