"""Carriers' hooks, signed as each documents it, by an arithmetic of the tests' own."""

import base64
import hashlib
import hmac
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.conf import settings
from django.utils import timezone

from agents import seal
from telephony import carrier_hooks
from telephony.models import CarrierHook

PAYLOADS = Path(__file__).parent / "payloads"
SECRET = "tests-only-carrier-secret"
TELNYX_KEY = Ed25519PrivateKey.from_private_bytes(b"tests-only-telnyx-key-of-32-byte")
MAPPING = {
    "event_id": "id", "carrier_id": "call.uuid", "sip_call_id": "call.sip", "at": "when",
    "direction": "call.dir", "caller": "call.src", "called": "call.dst", "state": "call.status",
    "started_at": "call.begin", "price": "call.bill.amount", "currency": "call.bill.cur",
    "cause": "call.q850", "duration_s": "call.secs",
}  # fmt: skip


def payload(name: str) -> bytes:
    """As `twilio/status_ringing`, without its ending."""
    (path,) = PAYLOADS.glob(f"{name}.*")
    return path.read_bytes().strip()


def public(key: Ed25519PrivateKey = TELNYX_KEY) -> str:
    return base64.b64encode(key.public_key().public_bytes_raw()).decode()


def make_hook(kind: str, *trunks: Any, secret: str | None = None, **values: Any) -> CarrierHook:
    plain = secret or (public() if kind == "telnyx" else SECRET)
    values = {"name": f"{kind} hook", "sealed_secret": seal.seal(plain, keys=settings.SEAL_KEYS),
              "mapping": MAPPING if kind == "generic" else {}} | values  # fmt: skip
    hook = CarrierHook.objects.create(kind=kind, **values)
    hook.trunks.set(trunks)
    return hook


def signed(
    kind: str, body: bytes, url: str, *, secret: str = SECRET, at: datetime | None = None
) -> dict[str, str]:
    """The headers; for Twilio's JSON the URL must name the body already (see `url_of`)."""
    stamp = str(int((at or timezone.now()).timestamp()))
    if kind == "twilio":
        form = b"" if b"bodySHA256" in url.encode() else body
        pairs = sorted(parse_qsl(form.decode(), keep_blank_values=True))
        text = url + "".join(f"{name}{value}" for name, value in pairs)
        mac = hmac.new(secret.encode(), text.encode(), hashlib.sha1).digest()
        return {"X-Twilio-Signature": base64.b64encode(mac).decode()}
    if kind == "telnyx":
        signature = TELNYX_KEY.sign(f"{stamp}|".encode() + body)
        return {"Telnyx-Signature-Ed25519": base64.b64encode(signature).decode(),
                "Telnyx-Timestamp": stamp}  # fmt: skip
    if kind == "plivo":
        pairs = sorted(parse_qsl(body.decode(), keep_blank_values=True))
        text = f"{url}?" + "".join(f"{name}{value}" for name, value in pairs) + ".4711"
        mac = hmac.new(secret.encode(), text.encode(), hashlib.sha256).digest()
        return {"X-Plivo-Signature-V3": base64.b64encode(mac).decode(),
                "X-Plivo-Signature-V3-Nonce": "4711"}  # fmt: skip
    told = hmac.new(secret.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
    return {"X-Webhook-Signature": f"sha256={told}", "X-Webhook-Timestamp": stamp}


def url_of(hook: CarrierHook, body: bytes) -> str:
    """What the carrier calls."""
    url = carrier_hooks.address(hook)
    if hook.kind == "twilio" and body[:1] in (b"[", b"{"):
        return f"{url}?bodySHA256={hashlib.sha256(body).hexdigest()}"
    return url


def post(client: Any, hook: CarrierHook, body: bytes, **how: Any) -> Any:
    """`headers` replace the right ones; `sent` is the body which is sent instead."""
    url = url_of(hook, body)
    headers = how.pop("headers", None)
    sent = how.pop("sent", body)
    if headers is None:
        headers = signed(hook.kind, body, url, **how)
    kind = "application/json" if body[:1] in (b"[", b"{") else "application/x-www-form-urlencoded"
    return client.post(
        url.removeprefix(settings.PUBLIC_URL), data=sent, content_type=kind, headers=headers
    )
