"""A pytest plugin: how the tests are shared between xdist's workers, and which go first.

All calls on the whole product stay with one worker: they have one product, and two would be too
much for two cores (`make test` runs them before all others, alone). Whatever else is in one module
stays together too, as its servers are. What takes longest begins first. Tests which listen to sound
in real time go before the others where root may say so: else a busy neighbour makes them late.

(xdist's own groups are no way here: with pytest 9.2 its marker does nothing.)
"""

import contextlib
import os

import pytest
from xdist.scheduler import LoadScopeScheduling

CALLS = "tests/e2e/"
_LONG = "tests/contract/test_postgres.py"  # every database test once more, in one test
_CALLS, _SERVERS, _ORDINARY = -15, -5, 5  # niceness


class Sharing(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types here
    def _split_scope(self, nodeid: str) -> str:
        return CALLS if nodeid.startswith(CALLS) else nodeid.partition("::")[0]


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> Sharing:
    return Sharing(config, log)  # type: ignore[arg-type]


def _kind(item: pytest.Item) -> int:
    if item.location[0].startswith(CALLS):
        return 0
    if item.location[0] == _LONG:
        return 1
    return 2 if item.get_closest_marker("contract") else 3


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=_kind)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """What a test starts inherits it."""
    with contextlib.suppress(OSError):  # not root
        wanted = {0: _CALLS, 2: _SERVERS}.get(_kind(item), _ORDINARY)
        if os.getpriority(os.PRIO_PROCESS, 0) != wanted:
            os.setpriority(os.PRIO_PROCESS, 0, wanted)
