"""Seals every key and password with the first key of SEAL_KEY. Can be repeated."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from agents.rotation import Report, rotate

BEFORE = """\
To change SEAL_KEY without losing a call:
  1. Put the new key first and keep the old one after a comma: SEAL_KEY=new,old. Restart web,
     Celery and every worker: a worker without the new key cannot open what is sealed from now on.
  2. Run this command."""

AFTER = """\
  3. Wait until the workers have prepared the new versions, and for calls which run on an older
     plan to end: they go on with the keys they were given, and may open another one when they
     change providers.
  4. Take the old key out of SEAL_KEY and restart. Older versions of plans stay readable, but not
     their keys: a call which is still sent to one hears the apology."""


class Command(BaseCommand):
    help = "Seal every stored key with the first key of SEAL_KEY, and live plans as new versions."

    def handle(self, *args: Any, **options: Any) -> None:
        if len(settings.SEAL_KEYS) < 2:
            self.stdout.write(BEFORE)
        report = rotate(now=timezone.now())
        self._tell(report)
        if report.broken or report.unreadable:
            raise CommandError(
                "Keep the old key in SEAL_KEY, or enter anew what no key opens and publish those "
                "projects again."
            )
        self.stdout.write(AFTER if report.republished or report.resealed else "Nothing to do.")

    def _tell(self, report: Report) -> None:
        for column in sorted(report.resealed | report.current):
            self.stdout.write(
                f"{column}: {report.resealed[column]} sealed anew, "
                f"{report.current[column]} with the first key already."
            )
        for name in report.republished:
            self.stdout.write(f"Project {name}: same content, new seals.")
        for name in report.broken:
            self.stderr.write(f"{name}: none of our keys opens it.")
        for name in report.unreadable:
            self.stderr.write(f"Project {name}: its live plan cannot be opened. Publish it again.")
