"""Subscriptions: their secret, and being switched on again."""

from datetime import datetime, timedelta

from django.conf import settings

from agents import seal
from telephony import hook_signature
from telephony.models import Subscription

BOTH_SIGN = timedelta(days=1)


def give_secret(hook: Subscription, *, now: datetime, secret: str = "") -> str:
    """Seal a secret, a new one if none is given, on the row, which is not saved here.

    Returns a new one for this once, and nothing if it was given: who gave it has it. The one before
    signs as well for a day.
    """
    if hook.sealed_secret:
        hook.sealed_previous_secret, hook.previous_until = hook.sealed_secret, now + BOTH_SIGN
    made = "" if secret else hook_signature.new_secret()
    hook.sealed_secret = seal.seal(secret or made, keys=settings.SEAL_KEYS)
    return made


def begin_well(hook: Subscription) -> None:
    """Somebody has switched it on, or changed where it goes: what was before does not count."""
    hook.off_reason, hook.failing_since = "", None
