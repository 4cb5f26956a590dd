"""Many threads, one statement: each gets its own answer."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from telephony.together import Together

pytestmark = pytest.mark.unit


class Work:
    """Keeps what it was given; the first batch goes on until the others wait."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.begun, self.go_on = threading.Event(), threading.Event()

    def __call__(self, items: list[int]) -> None:
        self.batches.append(items)
        if not self.begun.is_set():
            self.begun.set()
            assert self.go_on.wait(10)
        if -1 in items:
            raise ValueError(items)


def waiting(together: Together[int], count: int) -> None:
    while len(together._waiting) < count:
        threading.Event().wait(0.001)


def test_what_comes_meanwhile_is_done_at_once_afterwards():
    together = Together(work := Work())
    with ThreadPoolExecutor(9) as pool:
        first = pool.submit(together.do, 0)
        assert work.begun.wait(10)
        others = [pool.submit(together.do, n) for n in range(1, 9)]
        waiting(together, 8)
        work.go_on.set()
        for done in (first, *others):
            done.result(10)
    assert work.batches[0] == [0]
    assert [sorted(batch) for batch in work.batches[1:]] == [list(range(1, 9))]


def test_one_bad_item_harms_nobody_else():
    together = Together(work := Work())
    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(together.do, 0)
        assert work.begun.wait(10)
        good = [pool.submit(together.do, n) for n in (1, 2)]
        bad = pool.submit(together.do, -1)
        waiting(together, 3)
        work.go_on.set()
        for done in (first, *good):
            done.result(10)
        with pytest.raises(ValueError, match="-1"):
            bad.result(10)
    assert sorted(work.batches[1]) == [-1, 1, 2]
    assert sorted(work.batches[2:]) == [[-1], [1], [2]]


def test_no_batch_is_larger_than_it_may_be_and_none_is_forgotten():
    together = Together(work := Work(), most=3)
    with ThreadPoolExecutor(9) as pool:
        first = pool.submit(together.do, 0)
        assert work.begun.wait(10)
        others = [pool.submit(together.do, n) for n in range(1, 9)]
        waiting(together, 8)
        work.go_on.set()
        for done in (first, *others):
            done.result(10)
    assert [len(batch) for batch in work.batches] == [1, 3, 3, 2]


def test_alone_nobody_waits():
    batches: list[list[int]] = []
    together = Together(batches.append)
    together.do(1)
    together.do(2)
    assert batches == [[1], [2]]
