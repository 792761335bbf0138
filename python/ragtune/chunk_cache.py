"""What was read of a memory's chunks, caught up when it is asked for; the store is the truth."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from ragtune.store import Lock, Store

T = TypeVar("T")


class ChunkCache(Generic[T]):
    """A view of one owner's chunks, and the store's counters that it is of."""

    def __init__(self, store: Store) -> None:
        """Read nothing yet."""
        self._store = store
        self._state: tuple[T, tuple[int, int]] | None = None
        self._lock = Lock()  # held by who moves `_state`

    def fresh(
        self, counters: tuple[int, int], empty: Callable[[], T], caught_up: Callable[[T, int], T]
    ) -> T:
        """The view, with all that was written until the store's counters were these, or later.

        Args:
            counters: The state of the store that is wanted, at least.
            empty: Makes a view of no chunks.
            caught_up: A view with what was written after a change; 0 is all there is.
        """
        state = self._state
        if state is not None and state[1] == counters:
            return state[0]
        with self._lock:
            now, state = self._store.counters(), self._state
            if state is None or state[1][1] != now[1]:  # rows were purged: start anew
                state = empty(), (0, now[1])
            view, known = state
            if known != now:
                view = caught_up(view, known[0])
            self._state = view, now
            return view
