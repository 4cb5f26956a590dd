"""A carrier which wants registration, on this machine: Kamailio with tests/fakes/registrar.cfg."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from telephony.caller.options import options
from tests.e2e.stack import eventually, free_ports

CONFIG = Path(__file__).parents[1] / "fakes" / "registrar.cfg"


class Carrier:
    def __init__(self, folder: Path, *, expires_s: int, callee: str = "127.0.0.1:9") -> None:
        (self.port,) = free_ports(1)
        self._folder, self._expires_s, self._callee = folder, expires_s, callee
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        text = CONFIG.read_text().replace("REG_PORT", str(self.port))
        text = text.replace("REG_EXPIRES", str(self._expires_s)).replace("CALLEE", self._callee)
        (self._folder / "registrar.cfg").write_text(text)
        with (self._folder / "registrar.log").open("ab") as log:
            self._process = subprocess.Popen(
                ["kamailio", "-DD", "-E", "-m", "32", "-M", "4", "-f",
                 self._folder / "registrar.cfg", "-P", self._folder / "pid", "-Y", self._folder],
                env={**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin"},
                stdout=log, stderr=log,
            )  # fmt: skip
        eventually(self._is_up, 20)

    def _is_up(self) -> bool:
        try:
            return options("127.0.0.1", self.port) == 200
        except OSError:
            return False

    def stop(self) -> None:
        if self._process:
            self._process.terminate()
            self._process.wait(20)

    def registrations(self) -> list[str]:
        """“user <contact>” of each registration and refresh it has granted."""
        lines = (self._folder / "registrar.log").read_text().splitlines()
        return [line.partition("REGISTERED ")[2] for line in lines if "REGISTERED " in line]


@contextmanager
def carrier(folder: Path, **options: int | str) -> Iterator[Carrier]:
    made = Carrier(folder, **options)  # type: ignore[arg-type]
    made.start()
    try:
        yield made
    finally:
        made.stop()
