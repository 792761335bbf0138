"""Two calls at once: for a single question, whose legs are each too small for several threads."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import TypeVar

from ragtune import _core

A = TypeVar("A")
B = TypeVar("B")


@lru_cache(maxsize=1)
def _helpers(process: int) -> ThreadPoolExecutor:
    """Threads that wait for work, as many as there are cores: a process has its own."""
    return ThreadPoolExecutor(os.cpu_count() or 1, f"ragtune-leg-{process}")


def side_by_side(here: Callable[[], A], there: Callable[[], B]) -> tuple[A, B]:
    """Results of both calls, the second in another thread if one is free by then.

    Where only one thread may be used (OMP_NUM_THREADS=1), one after the other.
    """
    if _core.thread_count() == 1:
        return here(), there()
    future = _helpers(os.getpid()).submit(there)
    try:
        first = here()
    except BaseException:
        future.cancel()
        raise
    return first, there() if future.cancel() else future.result()
