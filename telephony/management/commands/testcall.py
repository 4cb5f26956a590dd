"""Places a real SIP call to the echo line and says where it broke."""

import json
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from telephony import testline


class Command(BaseCommand):
    help = "Call the echo line through SIP_ADDRESS: sound both ways? Exit code 1: no."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print JSON only")

    def handle(self, *args: Any, **options: Any) -> None:
        verdict = testline.run(now=timezone.now())
        lines = [*verdict.steps, verdict.headline, *([verdict.advice] if verdict.advice else [])]
        told = json.dumps(asdict(verdict), indent=2) if options["json"] else "\n".join(lines)
        self.stdout.write(told)
        if not verdict.ok:
            raise SystemExit(1)
