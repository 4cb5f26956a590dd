"""Compares LiveKit with our trunks and rules, and repairs it with --apply."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from telephony import push, wiring
from telephony.errors import GatewayUnavailable


class Command(BaseCommand):
    help = "Print how LiveKit differs from our trunks and rules; --apply repairs it."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--apply", action="store_true", help="make LiveKit equal to our rows")

    def handle(self, *args: Any, apply: bool, **options: Any) -> None:
        """Exit code 1 while any drift is left."""
        with wiring.single_flight("push", lease_s=100, wait_s=30) as mine:
            if not mine:
                raise CommandError("Another push is running. Try again in a minute.")
            try:
                report = push.push(now=timezone.now(), gateway=wiring.gateway(), apply=apply)
            except GatewayUnavailable as trouble:
                raise CommandError(str(trouble)) from trouble
        for line in report.warnings:
            self.stdout.write(self.style.WARNING(f"Warning: {line}"))
        for line in report.differences:
            self.stdout.write(f"{'Repaired' if apply else 'Different'}: {line}")
        for line in report.left:
            self.stdout.write(self.style.ERROR(f"Left: {line}"))
        if report.left or (report.differences and not apply):
            hint = "" if apply else " Run with --apply to repair it."
            raise CommandError(f"LiveKit differs from what is configured.{hint}")
        self.stdout.write(self.style.SUCCESS("LiveKit holds what is configured."))
