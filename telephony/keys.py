"""API keys: made, recognised, revoked. The secret itself is never stored."""

import hashlib
import hmac
import secrets
import string
from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address, ip_network

from django.db.models import Q

from telephony.models_api import ApiKey

MARK = "cc_"  # so that people and secret scanners recognise one
_LETTERS = string.ascii_lowercase + string.digits
USE_NOTED_EVERY = timedelta(minutes=1)
# of no row: an unknown prefix takes as long as a wrong secret
_NOBODY = hashlib.sha256(b"nobody").hexdigest()


class KeyRefused(Exception):
    """The text is for whoever holds the key."""


def new_secret(key: ApiKey, *, by: str, now: datetime) -> str:
    """Fill prefix and digest of a key which is not saved yet; return its secret, for this once."""
    key.prefix = MARK + "".join(secrets.choice(_LETTERS) for _ in range(10))
    secret = f"{key.prefix}_{secrets.token_urlsafe(32)}"
    key.digest, key.created_by, key.created_at = digest(secret), by, now
    return secret


def digest(secret: str) -> str:
    return hashlib.sha256(secret.encode(errors="replace")).hexdigest()


def recognise(secret: str, *, address: str, now: datetime) -> ApiKey:
    """The key whose secret this is, if it may be used from there and now. Raises KeyRefused.

    Why a key cannot be used is told only to who has its secret.
    """
    prefix = secret[: len(MARK) + 10].replace("\0", "")
    key = ApiKey.objects.filter(prefix=prefix).first()
    right = hmac.compare_digest(digest(secret), key.digest if key else _NOBODY)
    if key is None or not right:
        raise KeyRefused("Nobody knows this key. Look for a missing letter, or create another one.")
    if not key.enabled:
        raise KeyRefused("This key was revoked. Create another one in the admin.")
    if key.is_expired(now):
        raise KeyRefused("This key has expired. Create another one, or set a later date.")
    if not is_inside(address, key.allowed_networks):
        raise KeyRefused(f"This key may not be used from {address}. Add the address in the admin.")
    note_use(key, now=now)
    return key


def is_inside(address: str, networks: list[str]) -> bool:
    """No networks: from anywhere."""
    if not networks:
        return True
    try:
        ip = ip_address(address)
    except ValueError:
        return False
    if isinstance(ip, IPv6Address) and ip.ipv4_mapped:
        ip = ip.ipv4_mapped
    return any(ip in ip_network(network) for network in networks)


def note_use(key: ApiKey, *, now: datetime) -> None:
    """At most one write a minute, however busy the key is."""
    before = now - USE_NOTED_EVERY
    if key.last_used_at is None or key.last_used_at < before:
        unused = Q(last_used_at=None) | Q(last_used_at__lt=before)
        ApiKey.objects.filter(unused, pk=key.pk).update(last_used_at=now)


def revoke(*, key_id: int, now: datetime) -> bool:
    """For good. Returns whether it was usable before."""
    usable = ApiKey.objects.filter(pk=key_id, enabled=True)
    return bool(usable.update(enabled=False, revoked_at=now))
