"""Makes the groups reviewer, supervisor, administrator and auditor."""

from typing import Any

from django.core.management.base import BaseCommand

from recordings import roles


class Command(BaseCommand):
    help = f"{__doc__} Can be repeated; run it after each migrate."

    def handle(self, *args: Any, **options: Any) -> None:
        for name, count in roles.make().items():
            self.stdout.write(f"{name}: {count} permissions")
