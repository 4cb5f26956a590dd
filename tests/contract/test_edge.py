"""The real edge at its doors: our RPC, and SIP over UDP, TCP and TLS. A fake is livekit-sip."""

import asyncio
import shlex
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from deploy.edge import config
from telephony.caller.options import options
from telephony.edge import Account, KamailioEdge
from telephony.errors import EdgeUnavailable
from tests.contract.servers import free_port, program, running, self_signed
from tests.e2e.carrier import carrier
from tests.fakes.uas import Telephone
from tests.phones import Heard, Line, baresip

pytestmark = [pytest.mark.contract, pytest.mark.timeout(90)]

TOKEN = "a-token-of-some-length"
US = "12025550100"
ALL = {"n:*": "127.0.0.1/32", "w:*": "127.0.0.1/32", f"n:{US}": "127.0.0.1/32"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    edge: config.Edge
    door: KamailioEdge
    target: int  # port at which livekit-sip is expected


@contextmanager
def running_edge(folder: Path) -> Iterator[Running]:
    key, certificate = self_signed(folder)
    target = free_port()
    edge = config.Edge(
        folder=folder, outer="127.0.0.1", public="127.0.0.1", port=free_port(), inner="127.0.0.1",
        inner_port=free_port(), rpc_port=free_port(), token=TOKEN, targets=(f"127.0.0.1:{target}",),
        tls_port=free_port(), key=str(key), certificate=str(certificate),
        authorities=str(certificate), retry_s=2,
    )  # fmt: skip
    for name, text in config.files(edge).items():
        (folder / name).write_text(text)
    name, *rest = shlex.split(config.command(folder))
    url = f"http://127.0.0.1:{edge.rpc_port}/rpc"
    log = folder / "edge.log"
    with running(program(name), *rest, log=log, port=edge.rpc_port, kindly=True):
        yield Running(edge=edge, door=KamailioEdge(url=url, token=TOKEN), target=target)


@pytest.fixture(scope="module")
def here(tmp_path_factory) -> Iterator[Running]:
    with ExitStack() as stack:
        yield stack.enter_context(running_edge(tmp_path_factory.mktemp("edge")))


def until(look, seconds: float = 15) -> object:
    end = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < end, "not so in time"
        time.sleep(0.1)
    return found


def status(here: Running) -> int:
    try:
        return options("127.0.0.1", here.edge.port)
    except OSError:
        return 0


def test_before_it_was_told_who_may_call_it_is_silent(here):
    here.door.put({}, digest="empty")
    assert status(here) == 0


def test_a_new_list_is_in_force_as_a_whole_and_has_a_digest(here):
    for number in range(2):
        here.door.put(ALL, digest=f"list {number}")
        assert here.door.digest() == f"list {number}"
        assert status(here)
    until(lambda: status(here) == 503)  # nobody is behind it
    here.door.put({"n:*": "203.0.113.7/32"}, digest="others")
    assert status(here) == 0


def test_a_long_list_lets_in_the_last_one_too(here):
    networks = [f"203.{a}.{b}.0/28" for a in range(4) for b in range(250)]
    here.door.put({"n:*": ",".join([*networks, "127.0.0.1/32"])}, digest="long")
    assert status(here)


def test_a_wrong_token_is_told(here):
    door = KamailioEdge(url=f"http://127.0.0.1:{here.edge.rpc_port}/rpc", token="wrong")
    with pytest.raises(EdgeUnavailable, match="SIP_EDGE_TOKEN"):
        door.digest()


def test_an_edge_which_is_not_there_is_told():
    with pytest.raises(EdgeUnavailable, match="does not answer"):
        KamailioEdge(url=f"http://127.0.0.1:{free_port()}/rpc", token="x").digest()


def test_the_control_is_not_to_be_had_on_the_sip_port(here):
    door = KamailioEdge(url=f"http://127.0.0.1:{here.edge.port}/rpc", token=TOKEN)
    with pytest.raises(EdgeUnavailable):
        door.digest()


def test_an_account_registers_says_how_and_leaves(here, tmp_path):
    with carrier(tmp_path, expires_s=60) as registrar:
        account = Account(
            name="trunk1", user="alice", password="open-sesame", registrar="127.0.0.1",
            proxy=f"sip:{registrar.address};transport=tcp", contact=here.door.contacts()["tcp"],
        )  # fmt: skip
        here.door.register(account)
        until(lambda: here.door.registrations()[0].until)
        (seen,) = here.door.registrations()
        assert (seen.account, seen.status, seen.leaving) == (account, 200, False)
        contact = f"<sip:trunk1@127.0.0.1:{here.edge.port};transport=tcp>"
        assert registrar.registrations() == [f"alice {contact}"]
        here.door.unregister("trunk1")
        assert here.door.registrations()[0].leaving
        here.door.forget("trunk1")
        here.door.forget("trunk1")
        assert here.door.registrations() == []


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
def test_a_call_over_any_transport_reaches_livekit_sip(here, tmp_path, transport):
    here.door.put(ALL, digest=transport)
    port = here.edge.tls_port if transport == "tls" else here.edge.port
    line = Line(transport=transport, authorities=here.edge.certificate)

    async def run() -> tuple[Heard, list[str]]:
        async with Telephone(port=here.target) as behind:
            await asyncio.to_thread(until, lambda: status(here) == 200)
            call = (tmp_path, f"+{US}@127.0.0.1:{port}", noise(tmp_path), 3, line)
            heard = await asyncio.to_thread(baresip, *call)
            await behind.wait_for("BYE")
            return heard, behind.seen("BYE")[0].all("via")

    heard, by = asyncio.run(run())
    assert heard.answered, heard.log
    assert np.abs(heard.sound.astype(float)).max(initial=0) > 1000
    assert len(by) == 2  # it came through the edge


def noise(folder: Path) -> Path:
    path = folder / "noise.wav"
    subprocess.run(
        ["sox", "-n", "-r", "8000", "-c", "1", "-b", "16", path, "synth", "6", "sine", "700"],
        check=True,
    )
    return path
