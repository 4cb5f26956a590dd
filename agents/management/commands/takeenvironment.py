"""Makes the accounts of providers for which the environment holds a key or an address."""

from typing import Any

from django.core.management.base import BaseCommand

from agents.services import take_environment


class Command(BaseCommand):
    help = "Make the environment's provider accounts equal to its variables. Can be repeated."

    def handle(self, *args: Any, **options: Any) -> None:
        accounts = sorted(account.name for account in take_environment().values())
        for name in accounts:
            self.stdout.write(name)
        if not accounts:
            self.stdout.write("No variable names a provider: projects use the embedded ones.")
