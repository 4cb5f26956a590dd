"""The whole product on free ports in a folder of its own, started once for a run."""

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from deploy.embedded import home, lifecycle, parts, supervise
from deploy.embedded.home import ROOT, Home
from telephony import demo
from telephony.caller.call import Call
from telephony.caller.speech import speak
from telephony.gateway import LiveKitGateway
from tests.contract.servers import free_port
from tests.e2e.ears import Ears

SLOTS = 3
GUESSES = {"abandoned", "unknown"}  # what an end is called of which no journal has told
LINES = [
    demo.GREETING,
    demo.ASK_BACK,
    demo.GOODBYE,
    demo.HANDOVER,
    *(e["answer"] for e in demo.FAQ),
]
HOURS, REPAIR, RENT = (entry["answer"] for entry in demo.FAQ[:3])


def environment(folder: Path, **more: str) -> dict[str, str]:
    """Nothing of the tests' own settings: the product makes its secrets itself."""
    keep = {"PATH", "HOME", "LANG", "TESTS_ISOLATED", "GOCACHE", "TMPDIR"}
    names = [*home.PORTS, *home.EDGE_PORTS]
    ports = dict(zip(names, map(str, free_ports(len(names))), strict=True))
    return {
        **{name: value for name, value in os.environ.items() if name in keep},
        **ports,
        "DATA_DIR": str(folder),
        "LIVEKIT_UDP_PORTS": "52000-52400",
        "SIP_RTP_PORTS": "12000-12400",
        "MAX_CONCURRENT_JOBS": str(SLOTS),
        "NO_AGENT_SECONDS": "8",
        "LOOKUP_HOSTS": "127.0.0.1",
        "TOKENISER_HOSTS": "127.0.0.1",
        **more,
    }


def free_ports(count: int) -> list[int]:
    return [free_port() for _ in range(count)]


class Stack:
    def __init__(self, folder: Path, **more: str) -> None:
        self.home: Home = home.load(environment(folder, **more))
        self.ears = Ears(LINES)

    def up(self) -> None:
        lifecycle.up(self.home)

    def down(self) -> None:
        lifecycle.down(self.home)

    # --- calling ---------------------------------------------------------------------------------

    def call(self, *, caller: str = "+12025550199", number: str = home.NUMBER) -> Call:
        return Call(f"sip:{number}@127.0.0.1:{self.home.env['SIP_PORT']}", caller=caller)

    async def ask(self, call: Call, question: str, voice: str = "rms") -> str | None:
        """Say a sentence, wait for the answer, return which of the bot's lines was heard."""
        end = await call.say(await speak(question, voice))
        return await self.reply(call, end)

    async def reply(self, call: Call, since: float) -> str | None:
        await call.quiet(900, 25, since=since)
        return self.ears.line(call.heard_since(since))

    def gateway(self) -> LiveKitGateway:
        env = self.home.env
        return LiveKitGateway(
            url=env["LIVEKIT_URL"], key=env["LIVEKIT_API_KEY"], secret=env["LIVEKIT_API_SECRET"],
            agent_name="contactcenter",
        )  # fmt: skip

    # --- looking ---------------------------------------------------------------------------------

    def rows(self, query: str, *values: object) -> list[dict[str, Any]]:
        with contextlib.closing(
            sqlite3.connect(f"file:{self.home.data}/db.sqlite3?mode=ro", uri=True, timeout=20)
        ) as database:
            database.row_factory = sqlite3.Row
            return [dict(row) for row in database.execute(query, values)]

    def call_of(self, caller: str) -> dict[str, Any]:
        found = self.rows(
            "select * from telephony_call where caller = ? order by id desc limit 1", caller
        )
        return found[0] if found else {}

    def settled(self, caller: str, timeout_s: float = 25) -> dict[str, Any]:
        """The call's row once it is over and its reason is known.

        Of a call whose journal is late the reason is a guess at first; then its journal is waited
        for, as long as there is time.
        """
        end = time.monotonic() + timeout_s
        row = eventually(
            lambda: (row := self.call_of(caller)).get("end_reason") and row["ended_at"] and row,
            timeout_s,
        )
        while row["end_reason"] in GUESSES and time.monotonic() < end and not self._told(row["id"]):
            time.sleep(0.1)
        return self.call_of(caller)

    def _told(self, call_id: int) -> bool:
        query = "select 1 from recordings_journalentry where call_id = ? and kind = 'closed'"
        return bool(self.rows(query, call_id))

    def shown(self, room: str, wait_s: float = 25) -> dict[str, Any]:
        done = self.manage("showcall", "--room", room, "--wait", str(wait_s), "--json")
        return json.loads(done)

    def manage(self, *command: str, code: int = 0) -> str:
        done = subprocess.run(
            [ROOT / ".venv/bin/python", ROOT / "manage.py", *command],
            env=self.home.env, cwd=ROOT, capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    # --- breaking --------------------------------------------------------------------------------

    @contextlib.contextmanager
    def without(self, name: str) -> Iterator[None]:
        """One part stopped for a while."""
        supervise.stop(self.home, name)
        try:
            yield
        finally:
            self.start(name)

    @contextlib.contextmanager
    def paused(self, name: str) -> Iterator[None]:
        """One part which neither answers nor goes away."""
        pid = self.pid(name)
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    def start(self, name: str) -> None:
        supervise.start(self.home, name)
        self.wait_ready(name)

    def wait_ready(self, *names: str, timeout_s: float = 60) -> None:
        for part in parts.all_parts(self.home):
            if not names or part.name in names:
                eventually(partial(parts.is_ready, self.home, part), timeout_s)

    def pid(self, name: str) -> int:
        return int(supervise.states(self.home)[name]["pid"])

    def free_slots(self) -> int:
        path = self.home.data / "worker" / "ready.json"
        return int(json.loads(path.read_text()).get("free", SLOTS))


def eventually(look: Callable[[], Any], timeout_s: float) -> Any:
    """What `look` returns once it is true; the test fails after `timeout_s`."""
    end = time.monotonic() + timeout_s
    while not (found := look()):
        assert time.monotonic() < end, f"not so within {timeout_s} s"
        time.sleep(0.1)
    return found
