"""The edge's files: what they say, and that the real Kamailio takes them."""

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from deploy.edge.config import BadEdge, Edge, files
from tests.contract.servers import program, self_signed

pytestmark = pytest.mark.contract


def edge(here: Path, **values) -> Edge:
    plain = Edge(
        folder=here, outer="10.0.0.5", public="203.0.113.5", port=5060, inner="127.0.0.1",
        inner_port=5062, rpc_port=5064, token="a-token-of-some-length",
        targets=("127.0.0.1:5070",),
    )  # fmt: skip
    return replace(plain, **values)


def test_carriers_see_the_public_address_and_livekit_the_inner_one(tmp_path):
    text = files(edge(tmp_path))["kamailio.cfg"]
    assert "listen=udp:10.0.0.5:5060 advertise 203.0.113.5:5060" in text
    assert "listen=udp:127.0.0.1:5062\n" in text
    assert text.index("10.0.0.5:5060") < text.index("127.0.0.1:5062\n")


@pytest.mark.parametrize(
    "wrong",
    [
        {"outer": "edge.example"}, {"token": "short"}, {"targets": ()}, {"targets": ("sip",)},
        {"tls_port": 5061}, {"folder": Path("/tmp/a b")}, {"token": 'with "quotes" in it ~~~~'},
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_refused(tmp_path, wrong):
    with pytest.raises(BadEdge):
        files(edge(tmp_path, **wrong))


def certificate(folder: Path) -> dict[str, object]:
    key, cert = self_signed(folder)
    return {"tls_port": 5061, "certificate": str(cert), "key": str(key), "authorities": str(cert)}


@pytest.mark.parametrize("tls", [False, True])
def test_kamailio_takes_the_files(tmp_path, tls):
    values = certificate(tmp_path) if tls else {}
    here = edge(tmp_path, outer="127.0.0.1", **values)
    for name, text in files(here).items():
        (tmp_path / name).write_text(text)
    done = subprocess.run(
        [program("kamailio"), "-c", "-f", tmp_path / "kamailio.cfg"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert ("tls: 127.0.0.1" in done.stdout) == tls
