"""Captured hooks, signed as LiveKit signs them."""

import base64
import hashlib
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from livekit import api

PAYLOADS = Path(__file__).parent / "payloads" / "livekit"


def captured(name: str, **changes: Any) -> bytes:
    """The body of a captured hook; `changes` replace top-level fields."""
    text = (PAYLOADS / f"{name}.json").read_text().strip()
    return json.dumps(json.loads(text) | changes).encode() if changes else text.encode()


def signature(body: bytes, *, key: str = "", secret: str = "") -> str:
    digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
    token = api.AccessToken(key or settings.LIVEKIT_API_KEY, secret or settings.LIVEKIT_API_SECRET)
    return token.with_sha256(digest).with_ttl(timedelta(minutes=5)).to_jwt()


def post(client: Any, body: bytes, *, authorization: str | None = None) -> Any:
    return client.post(
        "/hooks/livekit",
        data=body,
        content_type="application/webhook+json",
        headers={"Authorization": signature(body) if authorization is None else authorization},
    )
