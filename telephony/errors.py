"""What this app raises on purpose. The type decides the retry, the text is for a supervisor."""


class TelephonyError(Exception):
    """Base of what this app raises on purpose."""


class GatewayUnavailable(TelephonyError):
    """LiveKit did not answer. Trying again later may work."""


class GatewayRefused(TelephonyError):
    """LiveKit answered and said no. Trying again will not help."""


class CallErased(TelephonyError):
    """Everything about this call was erased, and nothing about it may be stored again."""

    def __init__(self) -> None:
        super().__init__("This call was erased. Throw away what is left of it.")


class Held(TelephonyError):
    """A legal hold keeps this. The text says which."""


class EdgeUnavailable(TelephonyError):
    """The SIP edge did not answer, or not as expected. Trying again later may work."""


class TransferNotAllowed(TelephonyError):
    """A call cannot be sent there now. The text says why, and what to do."""


class NumberTaken(TelephonyError):
    def __init__(self, number: str, owner: str) -> None:
        super().__init__(
            f"{number} already belongs to trunk “{owner}”. "
            f"Remove it there first, or pick another number."
        )
        self.number = number


class CallNotAllowed(TelephonyError):
    """A call we must not or cannot make. The text says why, and what to do."""
