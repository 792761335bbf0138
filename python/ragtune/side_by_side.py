"""Two calls at once: for a single question, whose legs are each too small for several threads."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from ragtune import _core

A = TypeVar("A")
B = TypeVar("B")


class _Helpers:
    """Threads that wait for work, made when there is some; a forked child makes its own."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pool: ThreadPoolExecutor | None = None

    def pool(self) -> ThreadPoolExecutor:
        """The threads, as many as the machine has cores."""
        with self._lock:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(os.cpu_count() or 1, "ragtune-leg")
            return self._pool

    def forget(self) -> None:
        """What a forked child has inherited are no threads, and maybe a lock that is held."""
        self.__init__()  # type: ignore[misc]


_helpers = _Helpers()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_helpers.forget)


def side_by_side(here: Callable[[], A], there: Callable[[], B]) -> tuple[A, B]:
    """Results of both calls, the second in another thread if one is free by then.

    Where only one thread may be used (OMP_NUM_THREADS=1), one after the other.
    """
    if _core.thread_count() == 1:
        return here(), there()
    future = _helpers.pool().submit(there)
    try:
        first = here()
    except BaseException:
        future.cancel()
        raise
    return first, there() if future.cancel() else future.result()
