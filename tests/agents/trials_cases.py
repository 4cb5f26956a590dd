"""Accounts to try, and trials of them."""

from agents import trials
from agents.models import ProviderAccount
from agents.models_trials import ProviderTrial
from agents.trials import Wish
from tests.factories import NOW, make_account

WAV = b"RIFF\x24\0\0\0WAVEfmt "


def a_voice(**values) -> ProviderAccount:
    return make_account("kokoro", base_url="http://kokoro:8880/v1", **values)


def ask(account: ProviderAccount | None = None, *, at=NOW, text: str = "Hello.", **wish):
    return trials.ask_for_trial(
        account=account or a_voice(), wish=Wish(text=text, **wish), by="ann", now=at
    )


def taken(account: ProviderAccount | None = None, *, at=NOW) -> ProviderTrial:
    trial = ask(account, at=at)
    assert [one["id"] for one in trials.hand_out(now=at)] == [trial.pk]
    return trial
