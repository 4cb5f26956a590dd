"""Makes and keeps the pictures of recordings' sound. Repeatable: each is replaced as a whole."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from tempfile import TemporaryFile
from typing import Any

from recordings import stores
from recordings.errors import ObjectWrong
from recordings.lifecycle import RecordingState
from recordings.models import Recording, SoundShape
from recordings.storage import Bucket

AGAIN = timedelta(minutes=10)  # a picture which failed is tried again for who asks, not sooner


def build_shape(*, recording_id: int, bucket: Bucket, now: datetime) -> SoundShape | None:
    """The picture of what the store holds, or None: nothing is stored (any more).

    What cannot be drawn is said on the row. Raises StoreUnavailable and StoreRefused.
    """
    stored = Recording.objects.select_related("store").filter(state=RecordingState.STORED)
    recording = stored.filter(pk=recording_id).first()
    if recording is None:
        return None
    there = SoundShape.objects.filter(recording=recording, error="").first()
    if there and there.is_of(recording):
        return there
    shape, _ = SoundShape.objects.update_or_create(
        recording=recording,
        defaults={
            "sha256": recording.sha256,
            "size": recording.size,
            "built_at": now,
            **_drawn(stores.bucket_of(recording, default=bucket).chunks(recording.object_key)),
        },
    )
    return shape


def is_wanted(*, recording: Recording, shape: SoundShape | None, now: datetime) -> bool:
    """Whether somebody who asks for the picture should have it made."""
    if shape is None or not shape.is_of(recording):
        return True
    return bool(shape.error) and now - shape.built_at > AGAIN


def missing(*, since: datetime, most: int) -> list[int]:
    """Ids of recordings whose picture nobody has made, newest first."""
    found = SoundShape.objects.recordings_without(since=since)
    return list(found.order_by("-pk").values_list("pk", flat=True)[:most])


def _drawn(chunks: Iterable[bytes]) -> dict[str, Any]:
    from recordings import waveform  # av takes 40 MB, which the web processes can do without

    nothing: dict[str, Any] = {"duration_ms": 0, "peaks": [], "silences": []}
    try:
        with TemporaryFile() as file:  # an MP4 is read from its end
            for chunk in chunks:
                file.write(chunk)
            file.seek(0)
            found = waveform.shape_of(file)
    except (ObjectWrong, waveform.NoSound) as reason:
        return nothing | {"error": str(reason)}
    return {
        "duration_ms": found.duration_ms,
        "peaks": found.peaks,
        "silences": found.silences,
        "error": "",
    }
