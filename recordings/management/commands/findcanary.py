"""Looks for values everywhere: database, search index, sessions, store, Redis, data folder."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from recordings import canary, wiring
from telephony.shapes import Misshapen
from telephony.written import Written


class Command(BaseCommand):
    help = f"{__doc__} Reads all there is, so it takes long. Ends with 1 if anything was found."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("value", nargs="+", help="Numbers are looked for in all their forms.")
        parser.add_argument("--folder", action="append", default=[], help="Look here, too.")
        parser.add_argument("--no-store", action="store_true")
        parser.add_argument("--no-redis", action="store_true")
        parser.add_argument("--no-files", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        values = [form for value in options["value"] for form in _forms(value)]
        folders = [Path(one) for one in options["folder"]]
        if not options["no_files"]:
            folders.append(Path(settings.DATA_DIR))
        hits = canary.scan(
            values,
            bucket=None if options["no_store"] else wiring.bucket(),
            folders=[folder for folder in folders if folder.is_dir()],
            redis_url="" if options["no_redis"] else settings.REDIS_URL,
        )
        for hit in sorted({(hit.place, hit.where) for hit in hits}):
            self.stdout.write(f"{hit[0]}: {hit[1]}")
        if hits:
            raise CommandError(f"Found in {len({(h.place, h.where) for h in hits})} place(s).")
        self.stdout.write("Found nowhere.")


def _forms(value: str) -> tuple[str, ...]:
    try:
        return Written.of(value).needles()
    except Misshapen:
        return (value,)
