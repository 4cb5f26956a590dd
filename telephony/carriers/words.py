"""Why a call ended, in words: SIP status codes (RFC 3261) and Q.850 causes. Pure."""

_SIP = {
    403: "The other side does not allow this call.",
    404: "There is no such number.",
    408: "The other side did not answer in time.",
    410: "The number is out of service.",
    480: "The other side cannot be reached at the moment.",
    484: "The number is not complete.",
    486: "The line was busy.",
    487: "The caller gave up before anybody answered.",
    488: "The two sides have no way of talking in common (codec).",
    500: "The other side's equipment failed.",
    502: "The other side's network failed.",
    503: "The other side takes no calls at the moment.",
    504: "The other side's network did not answer in time.",
    600: "The line was busy.",
    603: "The call was declined.",
    604: "There is no such number.",
    606: "The two sides have no way of talking in common.",
    607: "The called party does not want this call.",
    608: "The network blocked this call.",
}
_Q850 = {
    1: "There is no such number.",
    3: "There is no route to the number.",
    16: "Somebody hung up.",
    17: "The line was busy.",
    18: "The other side did not answer in time.",
    19: "Nobody answered.",
    20: "The telephone called is switched off or out of reach.",
    21: "The call was declined.",
    22: "The number has changed.",
    27: "The number is out of service.",
    28: "The number is not complete.",
    31: "The call ended; the network says no more.",
    34: "The carrier had no free line.",
    38: "The network is out of order.",
    41: "The network failed for a moment.",
    42: "The carrier's equipment is overloaded.",
    50: "The carrier does not offer this to us.",
    57: "We may not make this call.",
    58: "This is not available at the moment.",
    88: "The two sides have no way of talking in common.",
    102: "The network waited too long.",
    111: "The networks misunderstood each other.",
    127: "The networks say no more.",
}


def of(*, sip: int | None, cause: int | None) -> str:
    """Empty if neither says anything."""
    if sip is not None and sip >= 400:
        return _SIP.get(sip) or f"The call was refused (SIP {sip})."
    if cause is not None:
        return _Q850.get(cause) or f"The call ended with cause {cause}."
    return ""


def reason(*, outbound: bool, sip: int | None, cause: int | None) -> str:
    """Which of the reasons of `agents.entries` a call which never came about has."""
    if not outbound:
        return "abandoned" if sip == 487 else "carrier"
    if sip in (486, 600) or cause == 17:
        return "busy"
    if sip in (408, 480) or cause in (18, 19, 20):
        return "no_answer"
    if sip in (403, 603, 607) or cause == 21:
        return "declined"
    if sip in (404, 410, 484, 604) or cause in (1, 22, 27, 28):
        return "no_such_number"
    return "cancelled" if sip == 487 else "carrier"
