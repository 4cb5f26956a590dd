"""Says what is wrong with the installation, or what would happen to one call."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from telephony import doctor, dryrun, shapes, wiring
from telephony.errors import GatewayRefused, GatewayUnavailable
from telephony.findings import Finding, Level

STYLES = {Level.PROBLEM: "ERROR", Level.WARNING: "WARNING", Level.FINE: "SUCCESS"}


class Command(BaseCommand):
    help = "Examine the installation; with --called: who would answer such a call. Exit code 1: no."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--called", default="", help="the number dialled, as the carrier sends")
        parser.add_argument("--address", default="", help="where the call comes from (IP address)")
        parser.add_argument("--json", action="store_true", help="print JSON only")

    def handle(self, *args: Any, called: str, address: str, **options: Any) -> None:
        if called:
            self._dry_run(called, address, as_json=options["json"])
        else:
            self._examine(as_json=options["json"])

    def _dry_run(self, called: str, address: str, *, as_json: bool) -> None:
        try:
            told = dryrun.ask(called=called, address=address, gateway=wiring.gateway())
        except (shapes.Misshapen, GatewayUnavailable, GatewayRefused) as trouble:
            raise CommandError(str(trouble)) from trouble
        lines = [*told.steps, told.headline, *([told.advice] if told.advice else [])]
        self._print(told.plain(), lines, as_json=as_json)
        if not told.works:
            raise SystemExit(1)

    def _examine(self, *, as_json: bool) -> None:
        found = doctor.examine(gateway=wiring.gateway(), now=timezone.now())
        lines = [line for finding in found for line in self._lines(finding)]
        self._print([finding.plain() for finding in found], lines, as_json=as_json)
        if any(finding.level == Level.PROBLEM for finding in found):
            raise SystemExit(1)

    def _lines(self, finding: Finding) -> list[str]:
        style = getattr(self.style, STYLES[finding.level])
        first = f"{style(finding.level.upper()):8} {finding.about}: {finding.text}"
        return [first, f"         → {finding.advice}"] if finding.advice else [first]

    def _print(self, plain: object, lines: list[str], *, as_json: bool) -> None:
        self.stdout.write(json.dumps(plain, indent=2) if as_json else "\n".join(lines))
