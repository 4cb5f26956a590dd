"""What the doctor says of carriers' hooks: refused lately, or silent although there are calls."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from telephony import carrier_hooks
from telephony.models import Call, CarrierHook

LATELY = timedelta(days=1)
PATIENCE = timedelta(hours=1)  # Twilio's summaries come half an hour after a call


def troubles(*, now: datetime) -> Iterator[tuple[str, str, str]]:
    """(about, what is wrong, what to do) of each hook which is switched on and not well."""
    for hook in CarrierHook.objects.filter(enabled=True).order_by("name"):
        about = f"Hook {hook.name}"
        if hook.refused_at and now - hook.refused_at < LATELY and _is_news(hook):
            at = f"{hook.refused_at:%Y-%m-%d %H:%M}"
            yield about, f"The last one was refused at {at}. {hook.refusal}", _advice(hook)
        elif hook.seen_at is None and _had_calls(hook, now):
            yield (
                about,
                "Its trunks have calls, but the carrier has never told of one.",
                _advice(hook),
            )


def _is_news(hook: CarrierHook) -> bool:
    """A stranger who tries the address is no trouble while the carrier gets through."""
    return hook.seen_at is None or (hook.refused_at is not None and hook.refused_at > hook.seen_at)


def _had_calls(hook: CarrierHook, now: datetime) -> bool:
    since = max(hook.created_at, now - LATELY)
    calls = Call.objects.filter(started_at__range=(since, now - PATIENCE))
    return calls.filter(trunk__hooks=hook).exists()


def _advice(hook: CarrierHook) -> str:
    return (
        f"Open Carrier hooks → {hook.name}: it says what to enter at the carrier. "
        f"It must call {carrier_hooks.address(hook).rpartition('/')[0]}/…"
    )
