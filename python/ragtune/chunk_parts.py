"""The sentences of a memory's chunks, ready to be compared with: built when a model needs them.

Like the index of vectors they are a cache of the store, which is the truth.
"""

from __future__ import annotations

from ragtune import _core
from ragtune.store import Lock, Store


class ChunkParts:
    """One owner's sentences by chunk row."""

    def __init__(self, store: Store) -> None:
        """Read nothing yet."""
        self._store = store
        self._state: tuple[_core.Parts, tuple[int, int]] | None = None
        self._lock = Lock()  # held by who moves `_state`

    def fresh(self, dimension: int, counters: tuple[int, int]) -> _core.Parts:
        """The parts, with all that was written until the store's counters were these, or later."""
        state = self._state
        if state is not None and state[1] == counters:
            return state[0]
        with self._lock:
            now, state = self._store.counters(), self._state
            if state is None or state[1][1] != now[1]:  # rows were purged: start anew
                state = _core.Parts(dimension), (0, now[1])
            parts, known = state
            if known != now:
                found, changed = self._store.sentences.since(known[0], dimension)
                if known[0]:
                    parts.remove(changed)
                parts.add(found.vectors, found.rows)
            self._state = parts, now
            return parts
