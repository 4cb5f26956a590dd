"""A pytest plugin: how the tests are shared between xdist's workers, and which go first.

All calls on the whole product stay with one worker: they have one product, and two would be too
much for two cores. Whatever else is in one module stays together too, as its servers are. What
takes longest begins first. Tests which listen to sound in real time go before the others where root
may say so: else a busy neighbour makes them late.
"""

import contextlib
import os

import pytest

_LONG = "tests/contract/test_postgres.py"  # every database test once more, in one test
_IN_REAL_TIME, _ORDINARY = -5, 0  # niceness


def _kind(item: pytest.Item) -> int:
    if item.get_closest_marker("e2e"):
        return 0
    if item.location[0] == _LONG:
        return 1
    return 2 if item.get_closest_marker("contract") else 3


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=_kind)
    for item in items:
        group = "calls" if _kind(item) == 0 else item.location[0]
        item.add_marker(pytest.mark.xdist_group(group))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """What a test starts inherits it."""
    with contextlib.suppress(OSError):  # not root
        wanted = _IN_REAL_TIME if _kind(item) in {0, 2} else _ORDINARY
        if os.getpriority(os.PRIO_PROCESS, 0) != wanted:
            os.setpriority(os.PRIO_PROCESS, 0, wanted)
