"""Everything about a caller's number in one file: JSON of all rows, and the recordings.

Made anew from the beginning whenever it was broken off. It lies in the store under a random name,
and is deleted after some days.
"""

import json
import secrets
import tempfile
import zipfile
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder
from django.db.models import Model

from recordings import objects, personal, subject, traces
from recordings.errors import ObjectWrong
from recordings.models import CallerRequest
from recordings.storage import Bucket
from telephony.models import Call, CallerRule, DoNotCall
from telephony.written import Written

FOLDER = "exports-of-callers"  # in the store, beside the projects' folders
NAME = "caller.zip"
CONTENT_TYPE = "application/zip"
# ways of ours which say nothing about him
_LEFT_OUT = ("sealed", "digest", "claim", "leased")
_HIS = (personal.How.CALL, personal.How.EMPTIED, personal.How.FIGURES)
READ_ME = """What is stored about the telephone number {number}, as of {at:%Y-%m-%d %H:%M} UTC.

caller.json   every stored row, call by call
audio/        the recordings, named after the call's id
Missing recordings are named in caller.json under "not_there".
"""


def export(request: CallerRequest, written: Written, *, bucket: Bucket, now: datetime) -> None:
    """Raises StoreUnavailable. A second run makes another file and drops the first."""
    key = f"{FOLDER}/{secrets.token_urlsafe(24)}.zip"
    with tempfile.TemporaryDirectory(prefix="caller-") as folder:
        file = Path(folder) / NAME
        counts = _write(file, request, written, bucket=bucket, now=now)
        bucket.put_large(key, file, content_type=CONTENT_TYPE)
        size = file.stat().st_size
    if request.object_key:
        bucket.delete(request.object_key)
    CallerRequest.objects.filter(pk=request.pk).update(
        state=CallerRequest.State.DONE, finished_at=now, sealed_number="", object_key=key,
        size=size, counts=counts, words="The file is ready.",
        file_until=now + timedelta(days=settings.CALLER_EXPORTS_KEEP_DAYS),
    )  # fmt: skip


def _write(
    file: Path, request: CallerRequest, written: Written, *, bucket: Bucket, now: datetime
) -> dict[str, int]:
    calls = list(subject.calls_of(written).order_by("pk").values_list("pk", flat=True))
    missing: list[str] = []
    counts = {"calls": len(calls), "recordings": 0}
    told: list[dict[str, Any]] = []
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, allowZip64=True) as whole:
        whole.writestr("read-me.txt", READ_ME.format(number=written.text, at=now))
        for done, pk in enumerate(calls, start=1):
            told.append(_call(pk))
            counts["recordings"] += _sound(whole, pk, missing, bucket)
            CallerRequest.objects.filter(pk=request.pk).update(done=done)
        found = {"number": written.text, "calls": told, **_beside(written), "not_there": missing}
        text = json.dumps(found, cls=DjangoJSONEncoder, ensure_ascii=False, indent=1)
        whole.writestr("caller.json", text)
    return counts


def _sound(whole: zipfile.ZipFile, call: int, missing: list[str], bucket: Bucket) -> int:
    count = 0
    for n, key in enumerate(sorted(objects.keys_of([call]).get(call, ()))):
        name = f"audio/{call}{f'-{n}' if n else ''}{Path(key).suffix}"
        pieces = objects.bucket_of(call, default=bucket).chunks(key)
        try:
            first = next(pieces, b"")
        except ObjectWrong:
            missing.append(name)
            continue
        with whole.open(name, "w", force_zip64=True) as target:
            for piece in chain([first], pieces):
                target.write(piece)
        count += 1
    return count


def _call(pk: int) -> dict[str, Any]:
    found = _row(Call.objects.get(pk=pk))
    for part in reversed(personal.parts()):
        rows = part.rows([pk]).order_by("pk") if part.how in _HIS else []
        if told := [_row(row) for row in rows]:
            found[part.label] = told
    return found


def _beside(written: Written) -> dict[str, Any]:
    """Rows which name the number and belong to no call of it."""
    listed = DoNotCall.objects.filter(number__in=written.exact)
    rules = CallerRule.objects.filter(digits=written.text.lstrip("+"), is_prefix=False)
    wishes = traces.outbound(written)
    return {
        "do_not_call": list(map(_row, listed)),
        "caller_rules": list(map(_row, rules)),
        "calls_we_were_to_make": list(map(_row, wishes)),
    }


def _row(row: Model) -> dict[str, Any]:
    return dict(_columns(row))


def _columns(row: Model) -> Iterator[tuple[str, Any]]:
    for column in row._meta.concrete_fields:
        if not column.name.startswith(_LEFT_OUT):
            yield column.attname, column.value_from_object(row)
