"""The errors which providers really give, over the wire, and whether there is advice for them."""

import asyncio

import pytest

from agents import trial_advice
from agents.models import ProviderAccount
from agents.plan import Stage
from agents.providers import PROVIDERS
from agents.seal import seal
from agents.worker import trial
from tests.emulators.core import Fault
from tests.worker.engines import AT, SEAL, world

pytestmark = pytest.mark.worker

ADVICE = {  # what goes wrong → a word of what to do
    "refuse": "hung up",
    "stall": "says nothing|said nothing",
    "429": "limit of the account|server is busy",
    "500": "has trouble itself|server itself failed",
    "bad key": "key is not accepted",
    "wrong path": "not the API's root",
    "nobody": "Nobody listens at 127.0.0.1:9",
    "no name": "No machine of the name nowhere.invalid",
}


async def error_of(slug: str, kind: str, base: str, folder) -> tuple[str, str]:
    provider = PROVIDERS[slug]
    url = {
        "wrong path": f"{base}/nothing", "nobody": "http://127.0.0.1:9/x",
        "no name": "http://nowhere.invalid/x",
    }.get(kind, base + AT[slug])  # fmt: skip
    key = "bad-secret" if kind == "bad key" else "k-test-key"
    stage = Stage(
        provider=slug, options={"base_url": url},
        sealed_key=seal(key, keys=SEAL) if provider.needs_key else "",
    )  # fmt: skip
    found = await trial.attempt(
        provider.role, stage, folder=folder, seal_keys=SEAL,
        limit_s=2.0 if kind == "stall" else trial.LIMIT_S,
    )  # fmt: skip
    assert not found.ok, slug
    assert key not in found.error
    return found.error, url


@pytest.mark.parametrize("kind", ADVICE)
async def test_every_providers_own_words_are_understood(kind, tmp_path):
    asked = [slug for slug in AT if PROVIDERS[slug].needs_key or kind != "bad key"]
    faults = [
        Fault(PROVIDERS[slug].role, path.split("/")[1], kind)
        for slug, path in AT.items()
        if kind in {"refuse", "stall", "429", "500"}
    ]
    async with world(*faults) as emulators:
        errors = await asyncio.gather(
            *(error_of(slug, kind, emulators.base, tmp_path) for slug in asked)
        )
    for slug, (error, url) in zip(asked, errors, strict=True):
        account = ProviderAccount(name="Mine", provider=slug, base_url=url)
        told = trial_advice.advice(error, account)
        assert any(word in told for word in ADVICE[kind].split("|")), (slug, error, told)
