"""Queues tasks once what they are about is committed."""

from collections.abc import Callable
from typing import ParamSpec

from django.db import transaction

P = ParamSpec("P")


def after_commit(send: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> None:
    """Call `send(…)`, as a task's `delay`, after the commit.

    A broker which is away is logged, and no error of whoever committed: each of these tasks has
    a sweep. (Not a `partial`: Django cannot name one in its log and raises instead.)
    """

    def queue() -> None:
        send(*args, **kwargs)

    transaction.on_commit(queue, robust=True)
