"""Signs webhooks as Standard Webhooks 1.0 says (standardwebhooks.com). Pure."""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Sequence

MARK = "whsec_"


def new_secret() -> str:
    """32 random bytes; the standard asks for 24 to 64."""
    return MARK + base64.b64encode(secrets.token_bytes(32)).decode()


def check(secret: str) -> None:
    """Raises ValueError with words for whoever typed it."""
    _key(secret)


def headers(*, uid: str, timestamp: int, body: bytes, keys: Sequence[str]) -> dict[str, str]:
    """What goes beside a body; one signature for each secret, for receivers who change theirs."""
    signed = b".".join([uid.encode(), str(timestamp).encode(), body])
    marks = [hmac.new(_key(secret), signed, hashlib.sha256).digest() for secret in keys]
    return {
        "webhook-id": uid,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(f"v1,{base64.b64encode(mark).decode()}" for mark in marks),
    }


def _key(secret: str) -> bytes:
    step = "Write whsec_ and 24 to 64 bytes in base64, or leave it empty: we make one."
    if not secret.startswith(MARK):
        raise ValueError(f"The secret does not begin with {MARK}. {step}")
    try:
        key = base64.b64decode(secret.removeprefix(MARK), validate=True)
    except ValueError as reason:
        raise ValueError(f"The secret is no base64. {step}") from reason
    if not 24 <= len(key) <= 64:
        raise ValueError(f"The secret has {len(key)} bytes. {step}")
    return key
