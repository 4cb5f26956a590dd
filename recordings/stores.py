"""Which store a recording is in, and whether a store does what we need of it."""

import secrets
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from http.client import HTTPException
from typing import Any
from urllib.request import Request, urlopen

from django.conf import settings

from agents import seal
from recordings import parts, wiring
from recordings.choices import audio_codec
from recordings.errors import ObjectWrong, RecordingError, StoreRefused
from recordings.models import Recording, RecordingProfile, Store
from recordings.places import Place
from recordings.storage import Bucket
from telephony.live import EgressWish, StoreAccess
from telephony.models import Call

PROBE_S = 5  # how long the probe's own request waits


def bucket_of(recording: Recording, *, default: Bucket) -> Bucket:
    """The bucket which holds this recording; `default` is that of the environment.

    Raises StoreRefused if the row's secret cannot be opened.
    """
    return bucket_at(recording.store) if recording.store else default


def bucket_at(store: Store) -> Bucket:
    return wiring.bucket_at(place_of(store))


def place_of(store: Store, *, secret: str = "") -> Place:
    return Place(
        name=store.name,
        endpoint=store.endpoint.rstrip("/"),
        public_endpoint=store.public_endpoint.rstrip("/"),
        region=store.region,
        bucket=store.bucket,
        path_style=store.path_style,
        access_key=store.access_key,
        secret_key=secret or _opened(store.sealed_secret),
        role_arn=store.role_arn,
        encryption=store.encryption,
        kms_key=store.kms_key,
    )


def _opened(sealed: str) -> str:
    try:
        return seal.unseal(sealed, keys=settings.SEAL_KEYS)
    except seal.SealBroken as broken:
        raise StoreRefused(f"The secret of a store or a live address: {broken}") from None


def profile_of(call: Call) -> RecordingProfile | None:
    if call.project_id is None:
        return None
    profiles = RecordingProfile.objects.select_related("store")
    return profiles.filter(uses__project=call.project_id).first()


def access(store: Store | None) -> StoreAccess | None:
    """What LiveKit has to be told of a store which is not in egress' own configuration."""
    if store is None:
        return None
    place = place_of(store)
    return StoreAccess(
        bucket=place.bucket, endpoint=place.endpoint, region=place.region,
        path_style=place.path_style, access_key=place.access_key, secret=place.secret_key,
        role_arn=place.role_arn,
    )  # fmt: skip


def addresses(sealed: str) -> tuple[str, ...]:
    """Live addresses, one a line."""
    return tuple(_opened(sealed).split())


def wishes(
    recording: Recording, *, object_key: str, room: str
) -> tuple[EgressWish, list[EgressWish]]:
    """What to ask egress for: the recording itself, and what is only sent live beside it."""
    profile, plain = recording.profile, EgressWish(room=room, object_key=object_key)
    if profile is None:
        return replace(plain, store=access(recording.store)), []
    choice = profile.choice()
    main = replace(
        plain, kind=choice.kind.value, video=choice.video, two_channels=choice.two_channels,
        format=choice.format.value, audio_codec=audio_codec(choice.format),
        store=access(recording.store), rtmp_urls=addresses(profile.sealed_rtmp),
    )  # fmt: skip
    live = [
        replace(main, object_key="", store=None, rtmp_urls=(), websocket_url=address)
        for address in addresses(profile.sealed_websocket)
    ]
    return main, live


def objects_of(recording: Recording, *, bucket: Bucket) -> list[str]:
    """Every object of a recording: all its parts, and the pieces of HLS. For who deletes them.

    Raises StoreUnavailable and StoreRefused.
    """
    held = bucket_of(recording, default=bucket)
    kinds = dict(recording.parts.exclude(object_key="").values_list("object_key", "content_type"))
    kinds[recording.object_key] = recording.content_type
    keys = []
    for key, content_type in kinds.items():
        if content_type == parts.HLS:
            with suppress(ObjectWrong):  # its list is gone already
                keys += parts.pieces(key, _playlist(key, held))
        keys.append(key)  # the list comes last: without it nobody finds the pieces
    return keys


def playlist(recording: Recording, *, bucket: Bucket) -> str:
    """The list of an HLS recording with an address for each piece, good for five minutes."""
    held = bucket_of(recording, default=bucket)
    folder = recording.object_key.rpartition("/")[0]
    return "\n".join(
        line
        if not line.strip() or line.startswith("#")
        else held.play_link(
            f"{folder}/{line.strip().rpartition('/')[2]}".lstrip("/"), content_type=parts.TS
        )
        for line in _playlist(recording.object_key, held).splitlines()
    )


def _playlist(key: str, bucket: Bucket) -> str:
    return bucket.read(key, 0, parts.MOST_LIST).decode(errors="replace")


# --- “Try this store” ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Trial:
    ok: bool
    words: str


def try_store(*, bucket: Bucket, now: datetime) -> Trial:
    """Write a probe, look at it, read it as a browser would, delete it. Leaves nothing behind."""
    key = f"contactcenter-probe/{now:%Y%m%dT%H%M%S}-{secrets.token_hex(6)}.txt"
    body = f"Written by contactcenter at {now.isoformat()} to try this store.\n".encode()
    said: list[str] = []
    try:
        for step in (_write, _look, _fetch):
            said.append(step(bucket, key, body))
    except (RecordingError, OSError, HTTPException, ValueError) as reason:
        written = bool(said)
        said.append(_told(reason))
        _clear(bucket, key, said if written else [])  # its answer may have been lost
        return Trial(False, "\n".join(said))
    return Trial(_clear(bucket, key, said), "\n".join(said))


def keep_trial(*, store_id: int, trial: Trial, now: datetime) -> None:
    Store.objects.filter(pk=store_id).update(
        tried_at=now, trial=trial.words[:2000], trial_ok=trial.ok
    )


def _write(bucket: Bucket, key: str, body: bytes) -> str:
    bucket.put_bytes(key, body, content_type="text/plain")
    return f"Wrote {len(body)} bytes as {key}."


def _look(bucket: Bucket, key: str, body: bytes) -> str:
    found = bucket.head(key)
    if found.size != len(body):
        raise ObjectWrong(f"It says the object has {found.size} bytes, {len(body)} were written.")
    return f"Found it again with {found.size} bytes."


def _fetch(bucket: Bucket, key: str, body: bytes) -> str:
    """Over the public address, from here: a browser may be elsewhere."""
    link = bucket.play_link(key, content_type="text/plain")
    if not link.startswith(("https://", "http://")):
        raise ValueError("The public endpoint is no http address.")
    with urlopen(Request(link), timeout=PROBE_S) as answer:  # noqa: S310  # looked at just above
        if answer.read(len(body) + 1) != body:
            raise ObjectWrong("A signed link gave something else than was written.")
    return "Read it over a signed link."


def _clear(bucket: Bucket, key: str, said: list[str]) -> bool:
    try:
        bucket.delete(key)
        bucket.head(key)
    except ObjectWrong:
        said.append("Deleted it.")
        return True
    except RecordingError as reason:
        said.append(f"{key} could not be deleted: {_told(reason)}")
        return False
    said.append(f"{key} is still there after it was deleted: is the bucket versioned or locked?")
    return False


def _told(reason: Exception) -> str:
    """Ours, then the store's own words."""
    cause: Any = reason.__cause__
    return f"{reason} It said: {cause}" if cause else str(reason)
