"""A thousand trunks with five thousand numbers on the real LiveKit: `make bench-lines`.

How long the first push takes, an audit which finds nothing, and one saved change until LiveKit
holds it (push and all; Celery's hand-over, some ms, comes on top). The audit is also shown as a
ratio to merely listing what LiveKit holds: what our comparing costs.
"""

import logging
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

TRUNKS, NUMBERS, TRUNKS_A_RULE = 1000, 5, 20
AUDITS, CHANGES = 10, 30


def seconds(work: Callable[[], Any]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def main() -> None:
    from tests import postgres
    from tests.contract.servers import media_plane

    with ExitStack() as stack:
        os.environ["DATABASE_URL"] = stack.enter_context(postgres.running())
        os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
        import django

        django.setup()
        from django.conf import settings
        from django.core.management import call_command

        memory = {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
        settings.CACHES = {"default": memory}
        call_command("migrate", verbosity=0)
        home = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        plane = stack.enter_context(media_plane(home))
        measure(plane)


def measure(plane: Any) -> None:
    from django.utils import timezone

    from telephony import push
    from telephony.gateway import LiveKitGateway
    from telephony.models import Number, Trunk

    gateway = LiveKitGateway(
        url=plane.url, key=plane.key, secret=plane.secret, agent_name="contactcenter"
    )
    fill()

    def audit() -> push.Report:
        return push.push(now=timezone.now(), gateway=gateway)

    def change(n: int) -> None:
        trunk = Trunk.objects.order_by("pk")[n]
        number = Number.objects.create(e164=f"+1303555{n:04}", trunk=trunk)
        push.mark_pending(Trunk.objects.filter(pk=trunk.pk))
        audit()
        trunk.refresh_from_db()
        assert trunk.sync_state == "synced", number

    print(f"first push   {seconds(audit):6.2f} s", flush=True)
    assert audit().differences == []
    pairs = [
        (seconds(audit), seconds(lambda: (gateway.list_trunks(), gateway.list_rules())))
        for _ in range(AUDITS)
    ]
    audits, listings = zip(*pairs, strict=True)
    print(f"audit        {statistics.median(audits):6.2f} s, longest {max(audits):.2f} s")
    print(f"… to listing {statistics.median(audits) / statistics.median(listings):6.2f} ×")
    changes = sorted(seconds(lambda n=n: change(n)) for n in range(CHANGES))  # type: ignore[misc]
    p95 = statistics.quantiles(changes, n=20)[-1]
    print(f"one change   {statistics.median(changes):6.2f} s, p95 {p95:.2f} s")
    held = {number for live in gateway.list_trunks() for number in live.spec.numbers}
    assert all(f"+1303555{n:04}" in held for n in range(CHANGES))


def fill() -> None:
    from telephony.models import DispatchRule, Number, Trunk
    from tests.factories import make_plan, make_project

    logging.disable()  # publishing queues a push, and there is no broker
    project = make_project()
    make_plan(project)
    logging.disable(logging.NOTSET)
    trunks = Trunk.objects.bulk_create(
        Trunk(name=f"Trunk {n}", allowed_addresses=[f"203.0.{n // 250}.{n % 250}"])
        for n in range(TRUNKS)
    )
    Number.objects.bulk_create(
        Number(e164=f"+1202{n * NUMBERS + k:07}", trunk=trunk)
        for n, trunk in enumerate(trunks)
        for k in range(NUMBERS)
    )
    for first in range(0, TRUNKS, TRUNKS_A_RULE):
        rule = DispatchRule.objects.create(name=f"Rule {first}", project=project)
        rule.trunks.set(trunks[first : first + TRUNKS_A_RULE])


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))
    main()
