"""The same request, sent twice, is done once: its answer is kept for a day."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction

from agents import seal
from telephony.models import ApiKey, IdempotentAnswer
from telephony.models_api import ANSWERS_KEPT_H


class OtherRequest(Exception):
    """The key was used before, for something else."""


@dataclass(frozen=True, slots=True)
class Answer:
    data: dict[str, Any]
    is_repeated: bool


def fingerprint(*parts: bytes) -> str:
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def once(
    *, api_key: ApiKey, key: str, print_: str, now: datetime, do: Callable[[], dict[str, Any]]
) -> Answer:
    """Do it, or give the answer of the first time. Raises OtherRequest, or whatever `do` raises:
    then nothing was done, and the key is free again.

    What is done and that it was done are one transaction. Of two at once the second waits for the
    first one's commit.
    """
    old = _kept(api_key, key, now)
    if old is None:
        try:
            with transaction.atomic():
                kept = IdempotentAnswer.objects.create(
                    api_key=api_key, idempotency_key=key, fingerprint=print_, created_at=now
                )
                data = do()
                kept.sealed_answer = seal.seal(json.dumps(data), keys=settings.SEAL_KEYS)
                kept.save(update_fields=["sealed_answer"])
                return Answer(data, is_repeated=False)
        except IntegrityError:
            old = _kept(api_key, key, now)
            if old is None:  # it was about something else
                raise
    if old.fingerprint != print_:
        raise OtherRequest
    return Answer(
        json.loads(seal.unseal(old.sealed_answer, keys=settings.SEAL_KEYS)), is_repeated=True
    )


def _kept(api_key: ApiKey, key: str, now: datetime) -> IdempotentAnswer | None:
    mine = IdempotentAnswer.objects.filter(api_key=api_key, idempotency_key=key)
    mine.filter(created_at__lt=_oldest(now)).delete()
    return mine.first()


def _oldest(now: datetime) -> datetime:
    return now - timedelta(hours=ANSWERS_KEPT_H)


def forget_old(*, now: datetime) -> int:
    deleted, _ = IdempotentAnswer.objects.filter(created_at__lt=_oldest(now)).delete()
    return deleted
