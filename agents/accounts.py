"""Accounts which the environment brings: rows kept equal to its variables."""

from collections.abc import Mapping
from typing import Any

from django.conf import settings

from agents import seal
from agents.environment import Defaults
from agents.models import ProviderAccount
from agents.providers import PROVIDERS, Provider, Role

ENVIRONMENT = ProviderAccount.Source.ENVIRONMENT
_ROLE_WORDS = {Role.STT: "speech to text", Role.LLM: "answers", Role.TTS: "text to speech"}


def take_environment() -> dict[str, ProviderAccount]:
    """Make the environment's accounts equal to its variables; return them by provider.

    It writes only where something changed, so any page may call it. A key which is still the same
    stays sealed as it is: a published plan holds the sealed text, and is named by it.
    """
    defaults: Defaults = settings.AGENT_DEFAULTS
    found = {row.provider: row for row in ProviderAccount.objects.filter(source=ENVIRONMENT)}
    wanted = [p for p in PROVIDERS.values() if not p.embedded and defaults.offers(p)]
    taken = {p.slug: _take(p, found.get(p.slug), defaults) for p in wanted}
    for slug in found.keys() - taken.keys():
        _retire(found[slug])
    return taken


def _take(provider: Provider, row: ProviderAccount | None, defaults: Defaults) -> ProviderAccount:
    plain, url = defaults.keys.get(provider.key_env, ""), defaults.url(provider)
    if row is None:
        values = {"name": _free_name(provider), "base_url": url, "sealed_key": _sealed(plain)}
        return ProviderAccount.objects.get_or_create(
            source=ENVIRONMENT, provider=provider.slug, defaults=values
        )[0]
    changes: dict[str, Any] = {}
    if not row.enabled or row.base_url != url:
        changes |= {"enabled": True, "base_url": url}
    if not _holds(row, plain):
        changes["sealed_key"] = _sealed(plain)
    return _change(row, changes)


def _change(row: ProviderAccount, changes: Mapping[str, Any]) -> ProviderAccount:
    """Only if nobody else did it meanwhile: sealing twice gives two texts."""
    if changes:
        unchanged = ProviderAccount.objects.filter(
            pk=row.pk, sealed_key=row.sealed_key, enabled=row.enabled
        )
        unchanged.update(**changes)
        row.refresh_from_db()
    return row


def _retire(row: ProviderAccount) -> None:
    """Its variables are gone: so is its key. A project which names it is told so."""
    if not row.members.exists():
        row.delete()
    elif row.enabled:
        _change(row, {"enabled": False, "sealed_key": ""})


def _holds(row: ProviderAccount, plain: str) -> bool:
    try:
        return seal.unseal(row.sealed_key, keys=settings.SEAL_KEYS) == plain
    except seal.SealBroken:
        return False


def _sealed(plain: str) -> str:
    return seal.seal(plain, keys=settings.SEAL_KEYS)


def _free_name(provider: Provider) -> str:
    """“Deepgram (environment)”; with its role where two providers have one label."""
    twins = [p for p in PROVIDERS.values() if p.label == provider.label]
    role = f", {_ROLE_WORDS[provider.role]}" if len(twins) > 1 else ""
    name, number = f"{provider.label}{role} (environment)", 1
    while ProviderAccount.objects.filter(name=name).exists():
        number += 1
        name = f"{provider.label}{role} (environment {number})"
    return name
