"""The sentences of a memory's chunks, ready to be compared with: built when a model needs them."""

from __future__ import annotations

from ragtune import _core
from ragtune.chunk_cache import ChunkCache
from ragtune.store import Store


class ChunkParts:
    """One owner's sentences by chunk row."""

    def __init__(self, store: Store) -> None:
        """Read nothing yet."""
        self._store = store
        self._cache = ChunkCache[_core.Parts](store)

    def fresh(self, dimension: int, counters: tuple[int, int]) -> _core.Parts:
        """The parts, with all that was written until the store's counters were these, or later."""
        return self._cache.fresh(counters, lambda: _core.Parts(dimension), self._caught_up)

    def _caught_up(self, parts: _core.Parts, change: int) -> _core.Parts:
        found, changed = self._store.sentences.since(change, parts.dimensions)
        if change:
            parts.remove(changed)
        parts.add(found.vectors, found.rows)
        return parts
