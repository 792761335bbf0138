"""The metadata of a memory's chunks by key: which chunks pass a filter, in milliseconds.

A column holds each distinct value once, so that a condition is asked of the values and not of the
chunks.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ragtune.chunk_cache import ChunkCache
from ragtune.filters import MISSING, Condition, Mask, Test
from ragtune.store import Store

Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Facts:
    """Metadata of living chunks by row, of one state of the store."""

    metadata: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)
    rows: Rows = field(default_factory=lambda: np.empty(0, np.int64))  # (n,) rising
    columns: dict[str, tuple[NDArray[np.int64], list[Any]]] = field(default_factory=dict)

    def passing(self, condition: Condition) -> Rows:
        """Rows of the chunks that pass, rising."""
        return self.rows[condition(self._ask)]

    def _ask(self, key: str, test: Test) -> Mask:
        if key not in self.columns:
            self.columns[key] = self._column(key)
        codes, values = self.columns[key]
        return np.array([test(value) for value in values], dtype=bool)[codes]

    def _column(self, key: str) -> tuple[NDArray[np.int64], list[Any]]:
        """Which of the distinct values each chunk has; as JSON tells them apart."""
        number: dict[str, int] = {}
        values: list[Any] = []
        codes = np.empty(len(self.rows), dtype=np.int64)
        for i, row in enumerate(self.rows.tolist()):
            value = self.metadata[row].get(key, MISSING)
            name = "" if value is MISSING else json.dumps(value, sort_keys=True)
            code = number.setdefault(name, len(values))
            if code == len(values):
                values.append(value)
            codes[i] = code
        return codes, values


class ChunkFacts:
    """One owner's metadata, filtered by row."""

    def __init__(self, store: Store) -> None:
        """Read nothing yet."""
        self._store = store
        self._cache = ChunkCache[Facts](store)

    def fresh(self, counters: tuple[int, int]) -> Facts:
        """The facts, with all that was written until the store's counters were these, or later."""
        return self._cache.fresh(
            counters, lambda: Facts({}, np.empty(0, np.int64)), self._caught_up
        )

    def _caught_up(self, facts: Facts, change: int) -> Facts:
        known, changed = dict(facts.metadata), self._store.metadata.since(change)
        for row in changed.gone:
            known.pop(row, None)
        known |= changed.living
        return Facts(known, np.array(sorted(known), dtype=np.int64))
