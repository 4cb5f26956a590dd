"""Erases, or exports, everything about a caller's number. The same as the page does."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from recordings import requests, subject, wiring
from recordings.errors import RecordingError


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("what", choices=["look", "erase", "export"])
        parser.add_argument("number", help="With its country code, as +12025550123.")
        parser.add_argument("--yes", action="store_true", help="Erase without asking.")

    def handle(self, *args: Any, **options: Any) -> None:
        what, typed = options["what"], options["number"]
        try:
            found = subject.look(subject.read(typed), now=timezone.now())
            self.stdout.write(f"calls: {found.calls}")
            for words, count in found.parts:
                self.stdout.write(f"{words}: {count}")
            if what == "look":
                return
            if what == "erase" and not options["yes"]:
                self._confirm(found.written.text)
            self._work(what, typed)
        except RecordingError as reason:
            raise CommandError(str(reason)) from reason

    def _confirm(self, number: str) -> None:
        if input("Type the number again to erase all this: ").strip() != number:
            raise CommandError("That is another number. Nothing was done.")

    def _work(self, what: str, typed: str) -> None:
        row = requests.ask(what=what, typed=typed, by="manage.py caller", now=timezone.now())
        while requests.work(request_id=row.pk, bucket=wiring.bucket(), now=timezone.now()):
            pass
        row.refresh_from_db()
        self.stdout.write(f"Request {row.pk}: {row.get_state_display()}. {row.words}")
        for words, count in sorted(row.counts.items()):
            self.stdout.write(f"{words}: {count}")
        if row.is_open:
            self.stdout.write("Celery goes on with it; the page “Requests of callers” shows it.")
