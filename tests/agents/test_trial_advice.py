"""What a supervisor is told to do about an error. The words of providers: see the test over the
wire in tests/worker/test_trial_advice.py."""

import pytest

from agents import trials
from agents.models import ProviderAccount
from agents.trial_advice import advice
from agents.worker.providers.material import MissingExtra

pytestmark = pytest.mark.unit

CLOUD = ProviderAccount(name="Mine", provider="openai-llm")
OURS = ProviderAccount(name="Ours", provider="whisper", base_url="http://whisper:8000/v1")
VARIABLE = ProviderAccount(name="Env", provider="openai-llm", source="environment")


@pytest.mark.parametrize(
    ("error", "account", "told"),
    [
        ("401: Invalid response status", CLOUD, "Enter the key above again, and save."),
        ("403: Forbidden", VARIABLE, "Set OPENAI_API_KEY again, and restart."),
        ("1008: closed 'Unauthorized Connection'", CLOUD, "The key is not accepted."),
        ("401: Unauthorized", OURS, "The server at whisper:8000 lets nobody in without a key."),
        ("404: Not Found", CLOUD, "Nobody there knows this model or voice."),
        ("404: Not Found", OURS, "It is http://whisper:8000/v1, usually http://localhost:8000/v1."),
        ("429: Too many requests.", CLOUD, "The limit of the account is reached"),
        ("429: Too many requests.", OURS, "The server is busy."),
        ("WSServerHandshakeError: 429, message='Inv", CLOUD, "The limit of the account"),
        ("402: Payment Required", CLOUD, "Top up the credit"),
        ("400: unknown voice", CLOUD, "look at the model, the voice"),
        ("503: Overloaded", CLOUD, "The provider has trouble itself."),
        ("500: Internal Server Error", OURS, "The server itself failed. Its log says why."),
        ("418: I'm a teapot", CLOUD, "We have no advice"),
        ("APIConnectionError: x (ClientConnectorDNSError)", OURS, "No machine of the name whisper"),
        ("APIConnectionError: [Errno -3] Temporary failure in name resolution", CLOUD, "no names"),
        ("APIConnectionError: [Errno 111] Connect call failed", OURS, "Nobody listens at whisper"),
        ("APIConnectionError: x (caused by ConnectError: y)", CLOUD, "Does a firewall hold it"),
        ("APIConnectionError: CERTIFICATE_VERIFY_FAILED", OURS, "does not trust the certificate"),
        ("ServerDisconnectedError: Server disconnected", OURS, "and hung up: is that Whisper"),
        ("1006: closed unexpectedly", CLOUD, "The provider hung up."),
        ("No answer within 15 s.", OURS, "It may still be loading its model"),
        ("No answer within 15 s.", CLOUD, "Somebody is there and says nothing."),
        ("APIConnectionError: Request timed out.", CLOUD, "Somebody is there"),
        (str(MissingExtra("Groq", "livekit-plugins-groq")), CLOUD, "Run `make extras`"),
        (trials.NOBODY, CLOUD, "`make up` starts what is missing"),
        (trials.UNHEARD, CLOUD, "`make logs PART=worker`"),
        ("It answered, but understood nothing of a clear sentence.", OURS, "understands English"),
        ("KeyError: 'x'", CLOUD, "We have no advice"),
        ("A provider key cannot be opened: SEAL_KEY is not the one", CLOUD, ""),
        (trials.TOO_BIG, CLOUD, ""),
        ("", CLOUD, ""),
        ("401: x", ProviderAccount(name="Old", provider="oldvendor"), ""),
    ],
)
def test_each_error_has_its_advice(error, account, told):
    found = advice(error, account)
    assert told in found
    assert bool(told) == bool(found)  # empty where the error says it all
