"""What a project says about recording and cards, as its plan holds it; what is wrong with it."""

from collections.abc import Iterator
from typing import Any

from django.conf import settings

from agents import seal
from agents.card import CardWords, Tokeniser
from agents.consent import Consent
from agents.hosts import is_allowed
from agents.menus import Purpose
from agents.models import Project

_CARD = {
    "expiry": "question for the expiry",
    "code": "question for the code",
    "failed": "words when it failed",
}


def rules_of(project: Project) -> dict[str, Any]:
    """Fields of the plan."""
    return {
        "consent": Consent(
            mode=project.consent if project.record else "none",  # type: ignore[arg-type]
            words=project.consent_words,
            refused=project.consent_refused,
        ),
        "pause_key": project.pause_key if project.record else "",
        "bot_pauses": project.record and project.bot_pauses,
        "paused": project.paused,
        "resumed": project.resumed,
        "card": card_words(project),
        "tokeniser": tokeniser_of(project),
    }


def card_words(project: Project) -> CardWords:
    names = CardWords.__dataclass_fields__
    return CardWords(**{name: getattr(project, f"card_{name}") for name in names})


def tokeniser_of(project: Project) -> Tokeniser | None:
    if not project.tokeniser_url:
        return None
    return Tokeniser(
        url=project.tokeniser_url,
        sealed_secret=project.sealed_tokeniser_secret,
        limit_ms=project.tokeniser_ms,
    )


def rules_problems(project: Project, purposes: tuple[Purpose, ...]) -> Iterator[str]:
    if project.record and project.consent != "none" and not project.consent_words.strip():
        yield "Callers are to be told or asked before they are recorded, but there are no words."
    if any(one.card for one in purposes):
        yield from _card_problems(project)


def _card_problems(project: Project) -> Iterator[str]:
    for name, label in _CARD.items():
        if not getattr(project, f"card_{name}").strip():
            yield f"Cards: the {label} has no words, the caller would hear silence. Write them."
    if not project.tokeniser_url:
        yield "Cards are asked for, but nobody keeps them. Enter the tokeniser's address."
        return
    if problem := tokeniser_problem(project.tokeniser_url):
        yield problem
    if not project.sealed_tokeniser_secret:
        yield "The tokeniser cannot tell that it is us who ask. Enter the secret you share with it."
    try:
        seal.unseal(project.sealed_tokeniser_secret, keys=settings.SEAL_KEYS)
    except seal.SealBroken as broken:
        yield f"The tokeniser's secret: {broken}"


def tokeniser_problem(url: str) -> str:
    """Why a card may not be sent there; empty if it may."""
    if not url.startswith("https://") and not is_allowed(url, _HERE):
        return "A card goes over https only. Write the tokeniser's address with https://."
    if not is_allowed(url, settings.TOKENISER_HOSTS):
        known = ", ".join(settings.TOKENISER_HOSTS) or "none so far"
        return (
            f"The host of the tokeniser may not be asked. Allowed: {known}. "
            f"An operator adds it to TOKENISER_HOSTS."
        )
    return ""


_HERE = ("127.0.0.1", "localhost", "::1")
