#!/usr/bin/env python3
"""Installs what this machine lacks, and only that. System Python, standard library only.

`bootstrap.py` prepares to run the product, `--extras` adds the providers which not everybody needs,
`--tests` those and what tests need. Each step says what it does and how long it took; a step which
is done already is skipped.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
BIN = ROOT / "bin"

PACKAGES = (
    "python3-venv", "redis-server", "flite", "sox", "gcc", "pkg-config",
    "libopus-dev", "libopusfile-dev", "libsoxr-dev",
)  # fmt: skip
TEST_PACKAGES = (
    "ffmpeg",
    "sip-tester",
    "kamailio",
    "kamailio-tls-modules",
    "baresip-core",
    "linphone-cli",
    "postgresql",
    "chromium",
    "chromium-driver",
    "fonts-dejavu-core",
)
GO_TOOLS = (
    # module folder, package, name of the binary, about how long it takes
    ("media", "github.com/livekit/livekit-server/cmd/server", "livekit-server", "1.5 min"),
    ("media", "github.com/livekit/sip/cmd/livekit-sip", "livekit-sip", "1 min"),
    ("s3", "github.com/versity/versitygw/cmd/versitygw", "versitygw", "1 min"),
)
NEEDED_GB = 4
PROGRAM_OF = {
    "redis-server": "redis-server", "flite": "flite", "sox": "sox", "gcc": "gcc",
    "pkg-config": "pkg-config", "ffmpeg": "ffmpeg", "sip-tester": "sipp",
    "baresip-core": "baresip", "linphone-cli": "linphonec", "chromium": "chromium",
    "chromium-driver": "chromedriver", "iproute2": "ip",
}  # fmt: skip
LIBRARY_OF = {"libopus-dev": "opus", "libopusfile-dev": "opusfile", "libsoxr-dev": "soxr"}
# what apt, pip and go say when they reach nobody
NO_NETWORK = re.compile(
    r"Temporary failure (in name resolution|resolving)|Could not resolve|Network is unreachable"
    r"|no such host|Connection refused|connection refused|NewConnectionError|i/o timeout"
)


class Missing(Exception):
    """Something only the person at the keyboard can provide. The text says what to do."""


def main() -> None:
    tests = "--tests" in sys.argv[1:]
    extras = tests or "--extras" in sys.argv[1:]
    try:
        check_python()
        check_disk()
        step("Debian packages", lambda: install_packages(tests=tests))
        check_go()
        step("Python environment (.venv)", lambda: install_python(tests=tests, extras=extras))
        for folder, package, name, about in GO_TOOLS:
            work = partial(build, folder, package, name, about)
            step(f"{name} (built from deploy/{folder}/go.mod)", work)
    except Missing as what:
        sys.exit(f"setup: {what}")
    except KeyboardInterrupt:
        sys.exit("setup: stopped. Run it again to go on where it was.")


def step(title: str, work: Callable[[], str]) -> None:
    """Print the title, do the work, print its outcome and the seconds it took."""
    begun = time.monotonic()
    print(f"  {title} … ", end="", flush=True)
    outcome = work()
    print(f"{outcome} ({time.monotonic() - begun:.0f} s)", flush=True)


def check_python() -> None:
    if sys.version_info < (3, 11):  # noqa: UP036 – an older Python is what we look for
        found = ".".join(map(str, sys.version_info[:2]))
        raise Missing(f"Python {found} is too old; install Python 3.11 or newer.")


def check_disk() -> None:
    if (ROOT / ".venv").exists() and BIN.exists():
        return
    free = shutil.disk_usage(ROOT).free / 1e9
    if free < NEEDED_GB:
        raise Missing(
            f"{free:.1f} GB free below {ROOT}, {NEEDED_GB} GB are needed. Make room first."
        )


def check_go() -> None:
    if all(is_built(folder, name) for folder, _, name, _ in GO_TOOLS):
        return
    program = shutil.which("go")
    if not program:
        raise Missing("Go is not installed; install Go 1.26 or newer so that `go` is on the PATH.")
    text = run([program, "env", "GOVERSION"], "go cannot be run")
    found = re.search(r"go(\d+)\.(\d+)", text)
    if not found or (int(found[1]), int(found[2])) < (1, 26):
        raise Missing(f"Go {text.strip()} is too old; install Go 1.26 or newer.")


def install_packages(*, tests: bool) -> str:
    wanted = PACKAGES + (TEST_PACKAGES if tests else ())
    missing = [name for name in wanted if not installed(name)]
    if not missing:
        return "there"
    apt = shutil.which("apt-get")
    if not apt:
        raise Missing(f"this is no Debian; install these by hand: {' '.join(missing)}")
    sudo = [] if os.geteuid() == 0 else ["sudo"]
    if sudo and not shutil.which("sudo"):
        raise Missing(f"root or sudo is needed to install: {' '.join(missing)}")
    print(f"installing {len(missing)} … ", end="", flush=True)
    run([*sudo, apt, "update", "-qq"], "apt-get update failed")
    run(
        [*sudo, "env", "DEBIAN_FRONTEND=noninteractive", apt, "install", "-y", "-qq",
         "--no-install-recommends", *missing],
        f"apt-get could not install {' '.join(missing)}",
    )  # fmt: skip
    return "installed"


def installed(package: str) -> bool:
    if package in PROGRAM_OF and shutil.which(PROGRAM_OF[package]):
        return True
    if package == "python3-venv":
        import importlib.util

        return importlib.util.find_spec("ensurepip") is not None
    if package in LIBRARY_OF and succeeds("pkg-config", "--exists", LIBRARY_OF[package]):
        return True
    return succeeds("dpkg-query", "-W", "-f", "${db:Status-Status}", package, says="installed")


def succeeds(*command: str, says: str = "") -> bool:
    """Does the command exist and end well (and print exactly `says`)?"""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return False
    return done.returncode == 0 and says in {"", done.stdout.strip()}


def install_python(*, tests: bool, extras: bool) -> str:
    files = ["base", "model", *(["extras"] if extras else []), *(["dev"] if tests else [])]
    stamp = VENV / "installed"
    wanted = "\n".join(f"{name} {digest(ROOT / 'requirements' / f'{name}.txt')}" for name in files)
    if stamp.exists() and set(wanted.split("\n")) <= set(stamp.read_text().split("\n")):
        return "there"
    if not succeeds(str(VENV / "bin" / "python"), "-m", "pip", "--version"):
        command = [sys.executable, "-m", "venv", "--clear", str(VENV)]
        run(command, "the virtual environment cannot be made")
    print("installing … ", end="", flush=True)
    for name in files:
        alone = ["--no-deps"] if name == "model" else []
        run(
            [str(VENV / "bin" / "pip"), "install", "-q", "--disable-pip-version-check",
             "--require-hashes", *alone, "-r", str(ROOT / "requirements" / f"{name}.txt")],
            f"pip could not install requirements/{name}.txt",
        )  # fmt: skip
    stamp.write_text(wanted)
    return "installed"


def build(folder: str, package: str, name: str, about: str) -> str:
    if is_built(folder, name):
        return "there"
    print(f"building, about {about} … ", end="", flush=True)
    BIN.mkdir(exist_ok=True)
    run(
        ["go", "build", "-trimpath", "-mod=readonly", "-o", str(BIN / name), package],
        f"{name} cannot be built",
        cwd=ROOT / "deploy" / folder,
    )
    (BIN / f".{name}").write_text(sources(folder))
    return "built"


def is_built(folder: str, name: str) -> bool:
    stamp = BIN / f".{name}"
    return (BIN / name).exists() and stamp.exists() and stamp.read_text() == sources(folder)


def sources(folder: str) -> str:
    """What a Go tool is made from; another text means it has to be built again."""
    module = ROOT / "deploy" / folder
    return digest(module / "go.mod") + digest(module / "go.sum")


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def run(command: list[str], trouble: str, *, cwd: Path | None = None) -> str:
    """Run a command quietly; on failure its last lines and `trouble` are what the person sees."""
    done = subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False
    )
    if done.returncode != 0:
        said = done.stdout + done.stderr
        tail = "\n    ".join(said.strip().splitlines()[-8:])
        print("failed", flush=True)
        if NO_NETWORK.search(said):
            raise Missing(f"{trouble}: no network. Connect this machine and run it again.")
        raise Missing(f"{trouble}. The command was: {' '.join(command)}\n    {tail}")
    return done.stdout


if __name__ == "__main__":
    main()
