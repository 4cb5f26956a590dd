"""What the doctor finds at the SIP edge."""

from collections.abc import Iterator

from django.conf import settings

from telephony import edge_sync, wiring
from telephony.errors import EdgeUnavailable
from telephony.findings import Finding, fine, problem, warning
from telephony.models import RegistrationState, Trunk

MOST = 20


def findings() -> Iterator[Finding]:
    """Nothing where there is no edge and nobody needs one."""
    trunks = Trunk.objects.filter(via_edge=True, enabled=True)
    if not edge_sync.enabled():
        if trunk := trunks.first():
            yield problem("SIP edge", f"Trunk “{trunk}” needs one, and there is none.",
                          "Set SIP_EDGE_ADDRESS, or take the trunk off the edge.")  # fmt: skip
        return
    try:
        told = wiring.edge().digest()
    except EdgeUnavailable as trouble:
        yield problem("SIP edge", str(trouble))
        return
    if told:
        yield fine("SIP edge", f"It answers; livekit-sip sees it as {settings.SIP_EDGE_ADDRESS}.")
    else:
        yield warning("SIP edge", "It has not been told yet who may call.",
                      "Wait for 15 s; then see whether Celery and beat run.")  # fmt: skip
    bad = [RegistrationState.REFUSED, RegistrationState.SILENT]
    for trunk in trunks.filter(registers=True, registration_state__in=bad)[:MOST]:
        yield problem(f"Trunk “{trunk}”", "It is not registered: no calls come in.",
                      trunk.registration_text)  # fmt: skip
