"""From a query's vector to hits: filter, search, and fetch, all of one state of the store."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ragtune.chunk_facts import ChunkFacts
from ragtune.chunk_index import CaughtUp, ChunkIndex
from ragtune.chunk_parts import ChunkParts
from ragtune.chunk_words import ChunkWords, IndexVectors
from ragtune.explanation import Explanation, explain
from ragtune.filters import condition
from ragtune.legs import Sources
from ragtune.registry import Registry, Serving
from ragtune.store import Store
from ragtune.types import Chunk, Hit

ATTEMPTS = 3  # a search begins anew if the store changes under it; then it holds the store

Rows = NDArray[np.int64]
Filter = Mapping[str, Any] | Callable[[Chunk], bool]


@dataclass(frozen=True, slots=True)
class Asked:
    """A question: its vector (1, d), its text if it is known, and what is wanted.

    Where `deep_memory` is None the owner's setting decides.
    """

    vector: NDArray[np.float32]
    text: str | None
    k: int
    recall: float | None
    deep_memory: bool | None
    filter: Filter | None


class Retrieval:
    """Everything that searches read, caught up with the store."""

    def __init__(self, store: Store, registry: Registry, index: ChunkIndex) -> None:
        """Read nothing yet."""
        self._store = store
        self._registry = registry
        self._index = index
        self.words = ChunkWords(store)
        self._facts = ChunkFacts(store)
        self._parts = ChunkParts(store)

    def search(self, asked: Asked) -> list[Hit]:
        """See `Memory.search`."""
        for _ in range(ATTEMPTS):
            hits, whole = self._attempt(asked)
            if whole:
                return hits
        with self._index.held(), self._store.holding():
            return self._attempt(asked)[0]

    def _attempt(self, asked: Asked) -> tuple[list[Hit], bool]:
        """Hits, and whether the store was the same from beginning to end."""
        state = self._index.fresh(asked.vector.shape[1])
        allowed = self._allowed(state, asked.filter)
        return self._hits(state, *self._ranked(state, asked, allowed))

    def explain(self, asked: Asked) -> Explanation:
        """See `Memory.explain`."""
        state = self._index.fresh(asked.vector.shape[1])
        allowed = self._allowed(state, asked.filter)
        serving, sources = self.serving(state, asked.vector.shape[1], allowed)
        if serving.full is None:
            raise ValueError("model: expected a full model that serves, got none; see tune")
        vectors = IndexVectors(state.index, allowed, self._store)
        texts = None if asked.text is None else [asked.text]
        told = explain(
            serving.full, replace(sources, vectors=vectors), asked.vector, texts, asked.k
        )
        found = self._store.chunks.by_row([hit.row for hit in told.hits])
        hits = [replace(hit, id=found[hit.row].id) for hit in told.hits if hit.row in found]
        return Explanation(hits, told.trust)

    def serving(
        self, state: CaughtUp, dimension: int, allowed: Rows | None = None
    ) -> tuple[Serving, Sources]:
        """What serves, and what it asks of the chunks."""
        serving = self._registry.serving(dimension, state.counters)
        lexical, parts = None, None
        if serving.full is not None and serving.full.needs_texts:
            lexical = self.words.fresh(state.counters)
        if serving.full is not None and serving.full.needs_parts:
            parts = self._parts.fresh(dimension, state.counters)
        vectors = IndexVectors(state.index, allowed)
        return serving, Sources(vectors, lexical, parts, allowed)

    def _allowed(self, state: CaughtUp, filter_: Filter | None) -> Rows | None:
        """Rows that a filter lets through, rising; None without one."""
        if filter_ is None:
            return None
        if not callable(filter_):
            return self._facts.fresh(state.counters).passing(condition(filter_))
        rows = self._facts.fresh(state.counters).rows.tolist()
        chunks = self._store.chunks.found(rows).chunks
        return np.array([row for row, chunk in sorted(chunks.items()) if filter_(chunk)], np.int64)

    def _ranked(
        self, state: CaughtUp, asked: Asked, allowed: Rows | None
    ) -> tuple[list[float], list[int], list[float] | None]:
        """Scores and rows of the k best, as far as there are so many, and their chances."""
        index, vector, learned = state.index, asked.vector, asked.deep_memory
        k = min(asked.k, max(len(index), 1))
        if learned is None:
            learned = self._store.settings.is_enabled(state.counters[0])
        if learned:
            serving, sources = self.serving(state, vector.shape[1], allowed)
            full = serving.full
            if full is not None and asked.text is not None:
                scores, rows = full.rank(sources, vector, [asked.text], k, learned=serving.learned)
                curve = (full.fusion if serving.learned else full.baseline).calibration
                chances = None if curve is None else curve(scores[0]).tolist()
                return scores[0].tolist(), rows[0].tolist(), chances
            if not serving.adapter.is_identity:
                vector = serving.adapter.apply(vector)
        # One query on one thread: to wake more costs more than they gain.
        scores, rows = index.search(vector, k=k, recall=asked.recall, ids=allowed, num_threads=1)
        return scores[0].tolist(), rows[0].tolist(), None

    def _hits(
        self, state: CaughtUp, scores: list[float], rows: list[int], chances: list[float] | None
    ) -> tuple[list[Hit], bool]:
        """Living chunks by row, and whether all is of one state of the store.

        It is not if a chunk was replaced or deleted after the index found it: a score would
        stand beside another text. Nor may it have changed after the index was `fresh`, for
        then it is unknown which came first. Where none has, they are the nearest of the
        snapshot that was searched, and every text is the one whose vector was compared.
        """
        told: list[float | None] = [None] * len(rows) if chances is None else [*chances]
        ranked = [(r, s, c) for r, s, c in zip(rows, scores, told, strict=True) if r >= 0]
        found, latest = self._store.found([row for row, _, _ in ranked])
        hits = [Hit(found[row], score, chance) for row, score, chance in ranked if row in found]
        return hits, latest <= state.counters[0] and len(hits) == len(ranked)
