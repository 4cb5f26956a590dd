"""`manage.py loadprices [file]`: the price book's file into the table. Safe to repeat."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from agents import pricefile, pricing


class Command(BaseCommand):
    help = "Load prices of providers. Rows which a person edited are left alone."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", nargs="?", type=Path, help="Default: the newest one of ours.")

    def handle(self, *args: Any, **options: Any) -> None:
        path: Path = options["file"] or pricefile.newest()
        try:
            book = pricefile.read(path)
        except (OSError, ValueError) as reason:
            raise CommandError(str(reason)) from reason
        done = pricing.load(book)
        counted = ", ".join(f"{number} {what}" for what, number in sorted(done.items()))
        self.stdout.write(f"Prices of {book.dated}: {counted}.")
