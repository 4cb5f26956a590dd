import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.stack import Stack

LOGS = ("worker", "celery", "web")
TOLD = 40  # lines of a log which a failed test shows
_begun: dict[Path, int] = {}  # bytes of each log when the running module began


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """The running product. A test which breaks a part mends it before it ends."""
    with tempfile.TemporaryDirectory(prefix="cc-e2e-") as folder:
        stack = Stack(Path(folder), EDGE="1", EDGE_RETRY_SECONDS="3")
        stack.up()
        try:
            yield stack
        finally:
            stack.down()


@pytest.fixture(scope="module", autouse=True)
def logs_from_here(stack: Stack) -> None:
    """What a failed test shows of the logs begins with its module."""
    for path in (stack.home.logs / f"{name}.log" for name in LOGS):
        _begun[path] = path.stat().st_size if path.exists() else 0


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]):
    report = yield
    if report.failed:
        report.sections += [(path.name, _since(path, at)) for path, at in _begun.items()]
    return report


def _since(path: Path, begun: int) -> str:
    """What our worker says; of the others only what is wrong."""
    if not path.exists():
        return ""
    with path.open("rb") as log:
        log.seek(begun if path.stat().st_size >= begun else 0)
        lines = log.read().decode(errors="replace").splitlines()
    dull = '"livekit' if path.name == "worker.log" else '"level": "info"'
    ours = [line for line in lines if dull not in line]
    return "\n".join(ours[-TOLD:])
