"""The words of a memory's chunks: built when a model first needs them, then caught up."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ragtune import _core
from ragtune.chunk_cache import ChunkCache
from ragtune.legs import Lexical, Rows, Scores, threads
from ragtune.store import Store


@dataclass(frozen=True, slots=True)
class IndexVectors:
    """Vectors that live in an index, perhaps some rows only; see `ragtune.legs.Vectors`."""

    index: _core.Index
    allowed: Rows | None = None
    store: Store | None = None  # which has the vectors themselves

    def search(self, queries: NDArray[np.float32], k: int) -> tuple[Scores, Rows]:
        """Scores and rows of the k nearest, (nq, k) each, -1 padded."""
        return self.index.search(queries, k=k, ids=self.allowed, num_threads=threads(len(queries)))

    def score(self, queries: NDArray[np.float32], candidates: Rows) -> Scores:
        """Cosine of each candidate (nq, c), 0 where it is -1."""
        return self.index.scores(queries, candidates, num_threads=threads(len(queries)))

    def rows(self, rows: Rows) -> NDArray[np.float32] | None:
        """Vectors (m, d) of some rows, from the store; an index gives none back."""
        if self.store is None:
            return None
        found = self.store.vectors.of_rows(rows.tolist())
        missing = np.zeros(self.index.dimensions, dtype=np.float32)
        return np.stack([found.get(row, missing) for row in rows.tolist()])


class ChunkWords:
    """One owner's texts, searchable by row."""

    def __init__(self, store: Store) -> None:
        """Read nothing yet."""
        self._store = store
        self._cache = ChunkCache[Lexical](store)

    def fresh(self, counters: tuple[int, int]) -> Lexical:
        """The words, with all that was written until the store's counters were these, or later."""
        return self._cache.fresh(counters, Lexical, self._caught_up)

    def _caught_up(self, lexical: Lexical, change: int) -> Lexical:
        changed = self._store.chunks.texts_since(change)
        lexical.remove(changed.gone)
        lexical.add(changed.rows, changed.texts)
        return lexical
