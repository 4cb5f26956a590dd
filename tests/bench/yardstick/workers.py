"""The workers of the arms: started, stopped, and what they cost. MiB and seconds of CPU."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import psutil

from deploy.embedded import supervise
from deploy.embedded.home import ROOT
from tests.e2e.stack import Stack, free_ports

STOP_S = 15
QUIET_SHARE = 0.15  # of a core: a worker using less has finished getting ready
QUIET_S = 60
CALM_PERCENT, CALM_ENOUGH, CALM_LOOKS = 30.0, 5, 20  # 2.5 s of quiet, waited for 10 s
KEPT = ("PATH", "HOME", "LANG", "TMPDIR")


class Worker(Protocol):
    @property
    def pid(self) -> int: ...
    async def start(self) -> None: ...
    async def stop(self) -> None: ...


@dataclass(slots=True)
class Sample:
    """A worker of livekit-agents alone: `module` in production mode."""

    module: str
    log: Path
    env: dict[str, str]
    process: asyncio.subprocess.Process | None = field(default=None, init=False)

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    async def start(self) -> None:
        """In a session of its own, so that Ctrl-C does not reach it: we stop it."""
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", self.module, "start", cwd=ROOT, env=self.env,
                stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip

    async def stop(self) -> None:
        """It drains, then whatever is left of its session goes."""
        process, self.process = self.process, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), STOP_S)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


def sample(module: str, stack: Stack, providers: Mapping[str, str], greeting: str) -> Sample:
    """`providers`: base URLs by name."""
    env = {name: os.environ[name] for name in KEPT if name in os.environ}
    env |= {
        name: stack.home.env[name]
        for name in ("LIVEKIT_URL", "LIVEKIT_API_KEY", "LIVEKIT_API_SECRET", "NO_PROXY")
    }
    for name, url in providers.items():
        env |= {f"YARDSTICK_{name.upper()}": url, f"{name.upper()}_API_KEY": "emulated"}
    env |= {
        "YARDSTICK_PORT": str(free_ports(1)[0]),
        "YARDSTICK_GREETING": greeting,
        "PYTHONUNBUFFERED": "1",
    }
    return Sample(module, stack.home.logs / f"{module.rpartition('.')[2]}.log", env)


@dataclass(frozen=True, slots=True)
class Product:
    """Our worker, which the stack's supervisor keeps."""

    stack: Stack

    @property
    def pid(self) -> int:
        return self.stack.pid("worker")

    async def start(self) -> None:
        await asyncio.to_thread(self.stack.start, "worker")

    async def stop(self) -> None:
        await asyncio.to_thread(supervise.stop, self.stack.home, "worker")


# --- what a worker costs -------------------------------------------------------------------------


def tree(pid: int) -> Iterator[psutil.Process]:
    with contextlib.suppress(psutil.Error):
        parent = psutil.Process(pid)
        yield parent
        yield from parent.children(recursive=True)


def cpu_s(pid: int) -> float:
    """Of a process, its children, and those which have ended."""
    total = 0.0
    for process in tree(pid):
        with contextlib.suppress(psutil.Error):
            used = process.cpu_times()
            total += used.user + used.system + used.children_user + used.children_system
    return total


def pss_mib(pid: int) -> float:
    """Proportional set size: pages which processes share are counted once between them."""
    total = 0
    for process in tree(pid):
        with contextlib.suppress(OSError, psutil.Error):
            lines = Path(f"/proc/{process.pid}/smaps_rollup").read_text().splitlines()
            total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total / 1024


async def settled(worker: Worker) -> None:
    """Wait until a worker has finished getting ready."""
    loop = asyncio.get_running_loop()
    end = loop.time() + QUIET_S
    calm = 0
    while calm < 3 and loop.time() < end:
        before = cpu_s(worker.pid)
        await asyncio.sleep(0.5)
        calm = calm + 1 if cpu_s(worker.pid) - before < QUIET_SHARE * 0.5 else 0


async def calm() -> None:
    """Wait until the machine has little to do: what a call leaves behind is not the next arm's,
    and the stock worker takes no calls while the CPU is busy."""
    psutil.cpu_percent()
    quiet = 0
    for _ in range(CALM_LOOKS):
        await asyncio.sleep(0.5)
        quiet = quiet + 1 if psutil.cpu_percent() < CALM_PERCENT else 0
        if quiet == CALM_ENOUGH:
            return
