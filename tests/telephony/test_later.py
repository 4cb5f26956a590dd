"""Tasks are queued after the commit, and a broker which is away breaks nothing."""

import pytest
from django.db import transaction

from telephony.later import after_commit

pytestmark = [pytest.mark.db, pytest.mark.django_db(transaction=True)]


def test_a_task_is_queued_after_the_commit_and_not_before():
    sent: list[int] = []
    with transaction.atomic():
        after_commit(sent.append, 7)
        assert sent == []
    assert sent == [7]


def test_nothing_is_queued_for_what_was_rolled_back():
    sent: list[int] = []
    with transaction.atomic():
        after_commit(sent.append, 7)
        transaction.set_rollback(True)
    assert sent == []


def test_a_broker_which_is_away_is_logged_and_stops_nothing(caplog):
    sent: list[int] = []

    def fail() -> None:
        raise OSError("Connection refused")

    with transaction.atomic():
        after_commit(fail)
        after_commit(sent.append, 7)
    assert sent == [7]
    assert "Connection refused" in caplog.text
