"""What a supervisor can do about a provider's error, which is in the provider's own words."""

import re
from collections.abc import Callable
from urllib.parse import urlsplit

from agents import trials
from agents.environment import USUAL_URLS
from agents.models import ProviderAccount
from agents.providers import PROVIDERS, Provider

Words = Callable[[ProviderAccount, Provider], str]

# “401: …” of an SDK, “WSServerHandshakeError: 401, …” of a WebSocket
_STATUS = re.compile(r"^(?:\w+Error: )?(\d{3,4})\b")


def advice(error: str, account: ProviderAccount) -> str:
    """Empty if we know nothing which the error does not say itself."""
    provider = PROVIDERS.get(account.provider)
    if not error or provider is None:
        return ""
    found = _STATUS.search(error)
    words = _by_status(int(found[1])) if found else _by_text(error)
    return words(account, provider) if words else ""


def _by_status(status: int) -> Words:
    return _their_trouble if 500 <= status < 600 else _STATUSES.get(status, _unknown)


def _by_text(error: str) -> Words | None:
    return next((words for pattern, words in _TEXTS if re.search(pattern, error)), None)


# --- what to do -----------------------------------------------------------------------------------


def _key(account: ProviderAccount, provider: Provider) -> str:
    if not provider.needs_key:
        return (
            f"The server at {_host(account)} lets nobody in without a key. {provider.label} is "
            f"asked without one: let it answer the worker's machine."
        )
    again = f"Set {provider.key_env} again, and restart"
    if account.source == ProviderAccount.Source.DESK:
        again = "Enter the key above again, and save"
    return (
        f"The key is not accepted. Look at the provider's site whether it is whole, not revoked, "
        f"and allowed to use this service and model. {again}."
    )


def _nothing_there(account: ProviderAccount, provider: Provider) -> str:
    what = "Nobody there knows this model or voice"
    if account.base_url:
        return f"{what}, or the base URL is not the API's root. {_look_at_url(account, provider)}"
    return f"{what}. Write them as the provider's documentation does."


def _not_understood(account: ProviderAccount, provider: Provider) -> str:
    return (
        "The provider does not take what it was asked: look at the model, the voice, and whether "
        "they speak the language."
    )


def _no_credit(account: ProviderAccount, provider: Provider) -> str:
    return "Nothing is left to pay with. Top up the credit at the provider."


def _limit(account: ProviderAccount, provider: Provider) -> str:
    if provider.local:
        return "The server is busy. Try again, or let it take more requests at once."
    return (
        "The limit of the account is reached, or its credit spent. Try again in a minute; raise "
        "the limit or top up at the provider. Calls go to the next provider meanwhile."
    )


def _their_trouble(account: ProviderAccount, provider: Provider) -> str:
    if provider.local:
        return "The server itself failed. Its log says why."
    return "The provider has trouble itself. Try again in a minute; its status page may say more."


def _unknown_name(account: ProviderAccount, provider: Provider) -> str:
    if account.base_url:
        return (
            f"No machine of the name {_host(account)} is known where the worker runs. "
            f"{_look_at_url(account, provider)}"
        )
    return "The worker's machine finds no names: has it a way to the Internet, and a DNS server?"


def _nobody_listens(account: ProviderAccount, provider: Provider) -> str:
    if account.base_url:
        return (
            f"Nobody listens at {_host(account)}. Start the server, or correct the base URL. For "
            f"the worker, “localhost” is its own machine or container."
        )
    return (
        "The worker cannot reach the provider. Does a firewall hold it back, or does it need a "
        "proxy?"
    )


def _hung_up(account: ProviderAccount, provider: Provider) -> str:
    if account.base_url:
        return (
            f"Somebody answered at {_host(account)} and hung up: is that {provider.label}, is it "
            f"http or https, and does its log say why?"
        )
    return "The provider hung up. Try again in a minute; its status page may say more."


def _too_slow(account: ProviderAccount, provider: Provider) -> str:
    if provider.local:
        return (
            "The server took the request and said nothing. It may still be loading its model: try "
            "again in a minute, and look at its log."
        )
    return (
        "Somebody is there and says nothing. Try again; if it stays so, a firewall swallows the "
        "traffic, or the provider has trouble."
    )


def _certificate(account: ProviderAccount, provider: Provider) -> str:
    return (
        f"The worker does not trust the certificate of {_host(account) or 'the provider'}. Give "
        f"the server a valid one, or trust its authority on the worker's machine."
    )


def _package(account: ProviderAccount, provider: Provider) -> str:
    return "Run `make extras` on the machine on which the worker runs, and restart the worker."


def _no_worker(account: ProviderAccount, provider: Provider) -> str:
    return "`make status` tells which parts run, `make up` starts what is missing."


def _lost_worker(account: ProviderAccount, provider: Provider) -> str:
    return "Try again. If it stays so, `make logs PART=worker` tells what the worker does."


def _unknown(account: ProviderAccount, provider: Provider) -> str:
    return "We have no advice for this one. The provider's documentation may, and so may its help."


def _deaf(account: ProviderAccount, provider: Provider) -> str:
    return "Key and address are right. Look whether the model understands English."


def _look_at_url(account: ProviderAccount, provider: Provider) -> str:
    usual = USUAL_URLS.get(provider.url_env, "")
    return f"It is {account.base_url}{f', usually {usual}' if usual else ''}."


def _host(account: ProviderAccount) -> str:
    return urlsplit(account.base_url).netloc


_STATUSES: dict[int, Words] = {
    400: _not_understood, 422: _not_understood, 402: _no_credit, 429: _limit,
    401: _key, 403: _key, 1008: _key,  # a WebSocket closed for “policy”
    404: _nothing_there, 405: _nothing_there, 1006: _hung_up, 1011: _their_trouble,
}  # fmt: skip
# the first which fits
_TEXTS: tuple[tuple[str, Words], ...] = (
    (re.escape(trials.NOBODY), _no_worker),
    (re.escape(trials.UNHEARD), _lost_worker),
    (r"needs the package", _package),
    (r"^No answer within|[Tt]imeout|timed out", _too_slow),
    (r"CERTIFICATE|CertificateError|SSLError", _certificate),
    (r"DNSError|gaierror|[Nn]ame or service|name resolution|nodename", _unknown_name),
    (r"ConnectionRefused|ConnectorError|ConnectError|Connect call failed", _nobody_listens),
    (r"Disconnected|RemoteProtocolError|ReadError|ConnectionReset", _hung_up),
    (r"understood nothing", _deaf),
    (r"^\w+(Error|Exception)\b", _unknown),
)
