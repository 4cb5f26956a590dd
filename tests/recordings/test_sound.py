"""The picture of a recording's sound: decoded, folded, kept, and made anew when the object is."""

import base64
import io
from datetime import timedelta

import pytest
from django.utils import timezone

from recordings import soundshapes, tasks_review, waveform
from recordings.errors import StoreUnavailable
from recordings.models import Recording, SoundShape
from tests.factories import NOW, make_call
from tests.sounds import encoded, ogg, track

pytestmark = [pytest.mark.db, pytest.mark.django_db]

KEY = "shop/call.ogg"


def peaks(text: str) -> list[tuple[int, int]]:
    raw = [byte - 256 if byte > 127 else byte for byte in base64.b64decode(text)]
    return list(zip(raw[::2], raw[1::2], strict=True))


def loud(text: str, *, seconds: tuple[float, float]) -> bool:
    """Whether something is heard between two moments, at 100 peaks a second."""
    begin, end = (round(second * 100) for second in seconds)
    return max(high for _, high in peaks(text)[begin:end]) > 20


def recording(bucket, body: bytes, **values) -> Recording:
    bucket.objects[KEY] = body
    values = {"sha256": "a" * 64, "size": len(body), "state": "stored"} | values
    return Recording.objects.create(
        call=make_call(state="ended", ended_at=NOW), recorder="worker",
        object_key=KEY, created_at=NOW, stored_at=NOW, **values,
    )  # fmt: skip


def test_each_channel_has_its_own_peaks_and_silence_is_where_nobody_speaks():
    body = ogg(seconds=10, caller=[(4, 6)], bot=[(0, 2), (8, 9)])
    shape = waveform.shape_of(io.BytesIO(body))
    caller, bot = shape.peaks
    assert abs(shape.duration_ms - 10_000) < 50
    assert loud(caller, seconds=(4.1, 5.9))
    assert not loud(caller, seconds=(0, 3.8))
    assert loud(bot, seconds=(0.1, 1.9))
    assert loud(bot, seconds=(8.1, 8.9))
    assert not loud(bot, seconds=(2.2, 7.8))
    # shortened at both ends so that no word is cut; the last second is too short to be skipped
    first, second = shape.silences
    for span, wanted in ((first, (2250, 3750)), (second, (6250, 7750))):
        assert span == pytest.approx(wanted, abs=150)


def test_a_long_recording_has_no_more_peaks_than_a_screen_has_points():
    body = ogg(seconds=95, caller=[(0, 95)])
    shape = waveform.shape_of(io.BytesIO(body))
    assert 2000 < len(peaks(shape.peaks[0])) <= waveform.MOST
    assert shape.silences == []
    assert all(high > 20 for _, high in peaks(shape.peaks[0]))


def test_a_mixed_recording_has_one_channel():
    body = encoded([track(2, [(0, 1)], 300)])
    assert len(waveform.shape_of(io.BytesIO(body)).peaks) == 1


@pytest.mark.parametrize(
    "body", [b"", b"no sound at all", ogg(seconds=1)[:40]], ids=["empty", "text", "cut off"]
)
def test_what_cannot_be_decoded_is_said_in_words(body):
    with pytest.raises(waveform.NoSound, match="recording"):
        waveform.shape_of(io.BytesIO(body))


# --- kept -----------------------------------------------------------------------------------------


def test_a_picture_is_made_once_and_anew_when_the_object_is_another_one(bucket):
    row = recording(bucket, ogg(seconds=2, bot=[(0, 1)]))
    first = soundshapes.build_shape(recording_id=row.pk, bucket=bucket, now=NOW)
    later = NOW + timedelta(hours=1)
    again = soundshapes.build_shape(recording_id=row.pk, bucket=bucket, now=later)
    assert first
    assert again
    assert again.built_at == NOW

    bucket.objects[KEY] = ogg(seconds=4)  # what was said is masked now
    Recording.objects.update(sha256="b" * 64)
    masked = soundshapes.build_shape(recording_id=row.pk, bucket=bucket, now=later)
    assert masked
    assert abs(masked.duration_ms - 4000) < 50
    assert SoundShape.objects.count() == 1


def test_what_is_no_sound_is_noted_and_not_tried_by_every_sweep(bucket):
    row = recording(bucket, b"not a recording")
    shape = soundshapes.build_shape(recording_id=row.pk, bucket=bucket, now=NOW)
    assert shape
    assert "cannot be decoded" in shape.error
    assert soundshapes.missing(since=NOW - timedelta(days=1), most=10) == []
    assert not soundshapes.is_wanted(recording=row, shape=shape, now=NOW)
    assert soundshapes.is_wanted(recording=row, shape=shape, now=NOW + timedelta(hours=1))


def test_a_store_which_is_away_leaves_the_picture_to_be_made_later(bucket):
    row = recording(bucket, ogg(seconds=1))
    bucket.away = True
    with pytest.raises(StoreUnavailable):
        soundshapes.build_shape(recording_id=row.pk, bucket=bucket, now=NOW)
    assert soundshapes.missing(since=NOW - timedelta(days=1), most=10) == [row.pk]


def test_what_is_not_stored_has_no_picture(bucket):
    row = recording(bucket, b"", state="uploading")
    assert soundshapes.build_shape(recording_id=row.pk, bucket=bucket, now=NOW) is None
    assert SoundShape.objects.count() == 0


@pytest.mark.usefixtures("tasks_at_once")
def test_the_sweep_finds_what_was_lost_and_what_became_another_object(bucket):
    row = recording(bucket, ogg(seconds=1))
    Recording.objects.update(stored_at=timezone.now())
    row.call.started_at = timezone.now()
    row.call.save()
    tasks_review.sweep_reviews()
    assert SoundShape.objects.get().sha256 == "a" * 64
    Recording.objects.update(sha256="b" * 64)
    assert soundshapes.missing(since=NOW, most=10) == [row.pk]
    tasks_review.draw_sound(recording_id=row.pk)
    assert SoundShape.objects.get().sha256 == "b" * 64
