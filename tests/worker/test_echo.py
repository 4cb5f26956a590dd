"""Which jobs are for the echo line; the call itself is in tests/e2e/test_echo_line.py."""

import pytest

from agents.worker import echo

pytestmark = pytest.mark.worker


@pytest.mark.parametrize(
    ("metadata", "is_asked"),
    [
        ('{"echo": true}', True),
        ('{"plan": "d", "echo": false}', False),
        ('{"echo": "yes"}', False),
        ('{"plan": "d"}', False),
        ('["echo"]', False),
        ("", False),
        ("{", False),
    ],
)
def test_only_a_dispatch_which_says_so(metadata, is_asked):
    assert echo.is_asked(metadata) is is_asked
