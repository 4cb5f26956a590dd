"""The objects of calls in the store: which they are, and deleting them."""

import re
from collections.abc import Iterable, Iterator

from recordings import personal, stores
from recordings.models import Recording
from recordings.storage import Bucket


def keys_of(calls: list[int]) -> dict[int, set[str]]:
    """The keys which rows of these calls name, by call."""
    found: dict[int, set[str]] = {}
    for part in personal.parts():
        if part.how is personal.How.CALL:
            for name in part.keys:
                rows = part.rows(calls).exclude(**{name: ""})
                for call, key in rows.values_list(part.path, name):
                    found.setdefault(call, set()).add(key)
    return found


def bucket_of(call: int, *, default: Bucket) -> Bucket:
    """Where a call's objects are; `default`: the store of the environment."""
    recording = Recording.objects.select_related("store").filter(call=call).first()
    return stores.bucket_of(recording, default=default) if recording else default


def delete(keys: Iterable[str], *, bucket: Bucket) -> tuple[int, int]:
    """Delete these objects and what belongs to them, as the pieces of a live stream. May be
    repeated. Returns how many there were, and their bytes."""
    count = size = 0
    for key in keys:
        for listed in [*_family(key, bucket=bucket)]:
            bucket.delete(listed[0])
            count, size = count + 1, size + listed[1]
    return count, size


def _family(key: str, *, bucket: Bucket) -> Iterator[tuple[str, int]]:
    """The object, and those whose names go on after its own without the ending."""
    stem = re.sub(r"\.[A-Za-z0-9]{1,5}$", "", key)
    for listed in bucket.list_objects(stem):
        rest = listed.key[len(stem) :]
        if not rest or not rest[0].isalnum():
            yield listed.key, listed.size
