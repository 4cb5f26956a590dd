"""Makes the demo project, its line and the first login. Can be repeated: it only adds."""

import os
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand
from django.db import transaction
from django.utils import timezone

from agents.models import ChainMember, FaqEntry, Project, ProviderAccount
from agents.services import publish, take_environment
from telephony import demo
from telephony.models import DispatchRule, Number, Trunk


class Command(BaseCommand):
    help = "Create the demo project, its loopback line and the admin login, where missing."

    @transaction.atomic
    def handle(self, *args: Any, **options: Any) -> None:
        """The push to LiveKit is left to the audit, which looks every 10 s."""
        self._login()
        take_environment()
        project = self._project()
        trunk, _ = Trunk.objects.get_or_create(
            name=demo.TRUNK, defaults={"allowed_addresses": ["127.0.0.1/32"]}
        )
        Number.objects.get_or_create(e164=demo.NUMBER, defaults={"trunk": trunk, "label": "Demo"})
        rule, is_new = DispatchRule.objects.get_or_create(
            name=demo.RULE, defaults={"project": project}
        )
        if is_new:
            rule.trunks.add(trunk)
        self.stdout.write(f"Demo project “{demo.NAME}” answers {demo.NUMBER}.")

    def _login(self) -> None:
        users = get_user_model()._default_manager
        password = os.environ.get("ADMIN_PASSWORD", "")
        if users.filter(username="admin").exists():
            return
        if not password:
            self.stderr.write("No login made: ADMIN_PASSWORD is not set. Use createsuperuser.")
            return
        users.create_superuser("admin", "", password)  # type: ignore[attr-defined]

    def _project(self) -> Project:
        """What a supervisor has changed since stays as it is."""
        found = Project.objects.filter(slug=demo.SLUG).first()
        if found and found.published_id:
            return found
        project = found or self._draft()
        publish(project_id=project.pk, by="demo", now=timezone.now())
        return project

    def _draft(self) -> Project:
        """On the embedded providers, whatever the environment says."""
        project = Project.objects.create(
            slug=demo.SLUG,
            name=demo.NAME,
            greeting=demo.GREETING,
            ask_back=demo.ASK_BACK,
            handover=demo.HANDOVER,
            goodbye=demo.GOODBYE,
            mode="local",
            vad_preset="fast_qa",
            turn_detector="v1-mini",
        )
        for role, name, slug in (
            ("stt", "Embedded recogniser", "sphinx"),
            ("llm", "Embedded answers", "faq"),
            ("tts", "Embedded voice", "flite"),
        ):
            account, _ = ProviderAccount.objects.get_or_create(
                name=name, defaults={"provider": slug}
            )
            ChainMember.objects.create(project=project, role=role, account=account)
        for position, entry in enumerate(demo.FAQ):
            FaqEntry.objects.create(project=project, position=position, **entry)
        return project
