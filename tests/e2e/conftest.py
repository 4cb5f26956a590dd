import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.stack import Stack


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
