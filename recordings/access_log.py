"""Who read, heard, took or shared which call."""

import logging
from typing import Any

from telephony.models import Call

log = logging.getLogger(__name__)


def note(*, user: Any, what: str, call: Call, how: str = "") -> None:
    told = {"user_id": user.pk, "call_id": call.pk, "what": what, "how": how}
    log.info("call accessed", extra=told)
