"""Compares the recordings of the last days with the store, here and now."""

import json
from datetime import UTC, timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from recordings import storecheck, wiring
from recordings.errors import StoreUnavailable
from recordings.models import StoreCheck, StoreFinding
from recordings.slices import Until


class Command(BaseCommand):
    help = (
        "Compare recordings with the store: there, size, checksum, duration, type, and what "
        "belongs to no call. Exit code 0: all is right, 1: something is wrong, 2: no store."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--days", type=int, default=storecheck.NIGHTLY_DAYS, help="back from now"
        )
        parser.add_argument("--read", action="store_true", help="read every byte, which takes long")
        parser.add_argument("--json", action="store_true", help="print JSON only")

    def handle(self, *args: Any, days: int, read: bool, **options: Any) -> None:
        if not 1 <= days <= storecheck.LONGEST_DAYS:
            raise CommandError(f"--days is a number from 1 to {storecheck.LONGEST_DAYS}.")
        now = timezone.now()
        last = now.astimezone(UTC).date()
        check = storecheck.request_check(
            first=last - timedelta(days=days - 1), last=last, by="checkrecordings", now=now,
            thorough=read,
        )  # fmt: skip
        self._run(check)
        check.refresh_from_db()
        if check.state == StoreCheck.State.FAILED:
            raise CommandError(check.error, returncode=2)
        found = list(_open(check))
        self._print(check, found, as_json=options["json"])
        if found:
            raise SystemExit(1)

    def _run(self, check: StoreCheck) -> None:
        """Takes the lease anew for each slice, as Celery does."""
        bucket = wiring.bucket()
        try:
            while storecheck.go_on(
                check_id=check.pk, bucket=bucket, now=timezone.now(), until=Until()
            ):
                pass
        except StoreUnavailable as away:
            raise CommandError(f"{away} Celery goes on with it later.", returncode=2) from away

    def _print(self, check: StoreCheck, found: list[StoreFinding], *, as_json: bool) -> None:
        if as_json:
            self.stdout.write(json.dumps(_plain(check, found), indent=2))
            return
        for finding in found:
            kind = self.style.ERROR(finding.get_kind_display().upper())
            self.stdout.write(f"{kind}  {finding.object_key}\n         → {finding.words}")
        words = f"{check.looked_at} calls looked at, {len(found)} findings."
        if check.unhashed:
            words += f" {check.unhashed} recordings have no checksum and were not read this time."
        self.stdout.write(words)


def _open(check: StoreCheck) -> Any:
    wrong = StoreFinding.objects.filter(day__gte=check.first, day__lte=check.last, fixed_at=None)
    return wrong.order_by("day", "pk")


def _plain(check: StoreCheck, found: list[StoreFinding]) -> dict[str, Any]:
    return {
        "first": check.first.isoformat(),
        "last": check.last.isoformat(),
        "state": check.state,
        "looked_at": check.looked_at,
        "hashed_bytes": check.hashed_bytes,
        "unhashed": check.unhashed,
        "findings": [
            {
                "kind": one.kind, "call": one.call_id, "object": one.object_key, "words": one.words,
                "day": one.day.isoformat(),
            }
            for one in found
        ],
    }  # fmt: skip
