"""A search: the index, what serves, and texts that are of one state of the store."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ragtune.chunk_index import CaughtUp, ChunkIndex
from ragtune.chunk_words import ChunkWords, IndexVectors
from ragtune.legs import Lexical, Sources
from ragtune.registry import Registry, Serving
from ragtune.store import Store
from ragtune.types import Hit

ATTEMPTS = 20  # a search begins anew if the store changes under it, so often at most


class Searching:
    """Finds chunks with what a memory has at hand."""

    def __init__(
        self, store: Store, registry: Registry, index: ChunkIndex, words: ChunkWords
    ) -> None:
        self._store = store
        self._registry = registry
        self._index = index
        self._words = words

    def search(
        self,
        vector: NDArray[np.float32],
        text: str | None,
        k: int,
        recall: float | None,
        deep_memory: bool | None,
    ) -> list[Hit]:
        """The k best chunks for a question (1, d); see `Memory.search`."""
        for _ in range(ATTEMPTS):
            state = self._index.fresh(vector.shape[1])
            learned = deep_memory
            if learned is None:
                learned = self._store.settings.is_enabled(state.counters[0])
            scores, rows = self._ranked(state, vector, text, k, recall, learned)
            hits, whole = self._hits(state, scores, rows)
            if whole:
                break
        return hits

    def state(self, dimension: int) -> tuple[CaughtUp, Serving, Lexical | None]:
        """The index as it is now, and what serves."""
        state = self._index.fresh(dimension)
        return state, *self._serving(state, dimension)

    def _ranked(
        self,
        state: CaughtUp,
        vector: NDArray[np.float32],
        text: str | None,
        k: int,
        recall: float | None,
        deep_memory: bool,
    ) -> tuple[list[float], list[int]]:
        """Scores and rows of the k best, as far as there are so many."""
        index, k = state.index, min(k, max(len(state.index), 1))
        if deep_memory:
            serving, lexical = self._serving(state, vector.shape[1])
            if serving.full is not None and text is not None:
                sources = Sources(IndexVectors(index), lexical)
                found = serving.full.rank(sources, vector, [text], k, learned=serving.learned)
                return found[0][0].tolist(), found[1][0].tolist()
            if not serving.adapter.is_identity:
                vector = serving.adapter.apply(vector)
        # One query on one thread: to wake more costs more than they gain.
        scores, rows = index.search(vector, k=k, recall=recall, num_threads=1)
        return scores[0].tolist(), rows[0].tolist()

    def _hits(
        self, state: CaughtUp, scores: list[float], rows: list[int]
    ) -> tuple[list[Hit], bool]:
        """Living chunks by row, and whether all is of one state of the store.

        It is not if a chunk was replaced or deleted after the index found it: a score would
        stand beside another text. Nor may it have changed after the index was `fresh`, for
        then it is unknown which came first. Where none has, they are the nearest of the
        snapshot that was searched, and every text is the one whose vector was compared.
        """
        ranked = [(r, s) for r, s in zip(rows, scores, strict=True) if r >= 0]
        found, latest = self._store.reader.chunks([row for row, _ in ranked])
        hits = [Hit(found[row], score) for row, score in ranked if row in found]
        return hits, latest <= state.counters[0] and len(hits) == len(ranked)

    def _serving(self, state: CaughtUp, dimension: int) -> tuple[Serving, Lexical | None]:
        """What serves, and the words of the chunks if it needs them."""
        serving = self._registry.serving(dimension, state.counters)
        needs = serving.full is not None and serving.full.needs_texts
        return serving, self._words.fresh(state.counters) if needs else None
