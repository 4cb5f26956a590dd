"""Webhooks by https: the connection goes to the checked address, the certificate to the name."""

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import certifi
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from telephony import hook_door
from tests.telephony.receiver import Receiver

pytestmark = pytest.mark.unit

HERE = ["127.0.0.0/8", "::1/128"]


def certificate(folder: Path, name: str) -> Path:
    """Key and certificate of a server called `name`, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    who = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(who)
        .issuer_name(who)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    file = folder / f"{name}.pem"
    file.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return file


@pytest.mark.parametrize(("name", "status"), [("localhost", 200), ("example.com", None)])
def test_the_certificate_must_fit_the_name(tmp_path, monkeypatch, name, status):
    file = certificate(tmp_path, name)
    monkeypatch.setattr(certifi, "where", lambda: str(file))
    hook_door._trust.cache_clear()
    receiver = Receiver()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    receiver.server.socket = context.wrap_socket(receiver.server.socket, server_side=True)
    try:
        outcome = hook_door.post(
            f"https://localhost:{receiver.port}/hook?a=1", body=b"{}", headers={}, private=HERE
        )
        assert outcome.status == status, outcome
        assert [path for path, _, _ in receiver.got] == (["/hook?a=1"] if status else [])
        if status:
            assert receiver.got[0][1]["host"] == f"localhost:{receiver.port}"
    finally:
        hook_door._trust.cache_clear()
        receiver.close()


def test_a_proxy_of_the_environment_is_not_used(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    receiver = Receiver()
    try:
        assert hook_door.post(receiver.url, body=b"{}", headers={}, private=HERE).status == 200
    finally:
        receiver.close()
