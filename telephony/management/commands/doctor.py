"""Says what is wrong with the installation, or what would happen to one call."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from telephony import doctor, dryrun, shapes, testline, wiring
from telephony.doctor import Level, Scope
from telephony.errors import GatewayRefused, GatewayUnavailable
from telephony.findings import Finding
from telephony.models import Number, Trunk

STYLES = {Level.PROBLEM: "ERROR", Level.WARNING: "WARNING", Level.FINE: "SUCCESS"}


class Command(BaseCommand):
    help = "Examine the installation; with --called: who would answer such a call. Exit code 1: no."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--called", default="", help="the number dialled, as the carrier sends")
        parser.add_argument("--address", default="", help="where the call comes from (IP address)")
        parser.add_argument("--caller", default="", help="who calls; a word: somebody unknown")
        parser.add_argument("--trunk", default="", help="examine this trunk alone (its name)")
        parser.add_argument("--number", default="", help="examine this number alone")
        parser.add_argument("--call", action="store_true", help="place a test call first")
        parser.add_argument("--json", action="store_true", help="print JSON only")

    def handle(self, *args: Any, called: str, address: str, **options: Any) -> None:
        if called:
            self._dry_run(called, address, options["caller"], as_json=options["json"])
        else:
            scope = self._scope(options["trunk"], options["number"])
            if options["call"]:
                testline.run(now=timezone.now())
            self._examine(scope, as_json=options["json"])

    def _dry_run(self, called: str, address: str, caller: str, *, as_json: bool) -> None:
        try:
            told = dryrun.ask(
                called=called, address=address, gateway=wiring.gateway(), caller=caller
            )
        except (shapes.Misshapen, GatewayUnavailable, GatewayRefused) as trouble:
            raise CommandError(str(trouble)) from trouble
        lines = [*told.steps, told.headline, *([told.advice] if told.advice else [])]
        self._print(told.plain(), lines, as_json=as_json)
        if not told.works:
            raise SystemExit(1)

    def _scope(self, trunk: str, number: str) -> Scope | None:
        if number:
            row = Number.objects.filter(e164=number).select_related("trunk").first()
            if row is None:
                raise CommandError(f"No trunk has the number {number}. Write it as +12025550100.")
            return Scope(trunk=row.trunk, number=row)
        if not trunk:
            return None
        found = Trunk.objects.filter(name=trunk).first()
        if found is None:
            raise CommandError(f"There is no trunk “{trunk}”. Write its name as the admin does.")
        return Scope(trunk=found)

    def _examine(self, scope: Scope | None, *, as_json: bool) -> None:
        found = doctor.examine(gateway=wiring.gateway(), now=timezone.now(), scope=scope)
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
