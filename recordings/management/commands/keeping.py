"""Deletes what was kept long enough, or says what it would delete."""

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from recordings import keeping, wiring
from recordings.errors import RecordingError


class Command(BaseCommand):
    help = f"{__doc__} The rules are on the page “Retention rules”; Celery runs it each night."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--what-if", action="store_true", help="Count, and delete nothing.")

    def handle(self, *args: Any, **options: Any) -> None:
        now = timezone.now()
        for due in keeping.what_if(now=now):
            held = f", {due.held} held" if due.held else ""
            size = f", {due.bytes} bytes" if due.bytes else ""
            self.stdout.write(f"{due.duty}: {due.calls} call(s) due{size}{held}")
        if options["what_if"]:
            return
        try:
            keeping.run(bucket=wiring.bucket(), now=now, until=now + timedelta(days=1))
        except RecordingError as trouble:
            raise CommandError(str(trouble)) from trouble
        self.stdout.write("Done.")
