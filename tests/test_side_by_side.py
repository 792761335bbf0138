"""Two calls at once give what one after the other gives, also after a fork and an error."""

import os
import subprocess
import sys
import threading

import pytest

from ragtune.side_by_side import side_by_side


def test_both_results_come_in_order():
    assert side_by_side(lambda: 1, lambda: "b") == (1, "b")


@pytest.mark.skipif(os.cpu_count() == 1, reason="one core has no second thread")
def test_both_are_at_work_at_the_same_time(monkeypatch):
    monkeypatch.setattr("ragtune._core.thread_count", lambda: 2)
    met = threading.Barrier(2, timeout=10)
    assert side_by_side(met.wait, met.wait)[0] in (0, 1)


def test_one_thread_does_both_where_no_more_may_be_used(monkeypatch):
    monkeypatch.setattr("ragtune._core.thread_count", lambda: 1)
    assert side_by_side(threading.get_ident, threading.get_ident) == (threading.get_ident(),) * 2


def test_what_has_not_begun_is_done_by_the_caller(monkeypatch):
    """All threads are at work for others: nobody waits for them."""
    monkeypatch.setattr("ragtune._core.thread_count", lambda: 2)
    free = threading.Event()
    busy = [
        threading.Thread(target=side_by_side, args=(free.wait, free.wait))
        for _ in range(2 * (os.cpu_count() or 1))
    ]
    for thread in busy:
        thread.start()
    try:
        assert side_by_side(lambda: 1, lambda: 2) == (1, 2)
    finally:
        free.set()
        for thread in busy:
            thread.join()


@pytest.mark.parametrize("bad", [0, 1])
def test_an_error_of_either_reaches_the_caller(bad, monkeypatch):
    monkeypatch.setattr("ragtune._core.thread_count", lambda: 2)
    calls = [lambda: 1, lambda: 1]
    calls[bad] = lambda: [].pop()
    with pytest.raises(IndexError):
        side_by_side(*calls)
    assert side_by_side(lambda: 1, lambda: 2) == (1, 2)


def test_a_forked_child_makes_threads_of_its_own():
    code = """
import os
from ragtune import _core
_core.thread_count = lambda: 2
from ragtune.side_by_side import side_by_side
assert side_by_side(lambda: 1, lambda: 2) == (1, 2)
child = os.fork()
if child == 0:
    os._exit(side_by_side(lambda: 1, lambda: 2) != (1, 2))
assert os.waitpid(child, 0)[1] == 0
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
