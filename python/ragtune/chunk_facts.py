"""The metadata of a memory's chunks by key: which chunks pass a filter, in milliseconds.

Like the index of vectors it is a cache of the store, which is the truth. A column holds each
distinct value once, so that a condition is asked of the values and not of the chunks.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ragtune.filters import MISSING, Condition, Mask, Test
from ragtune.store import Lock, Store

Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Facts:
    """Metadata of living chunks by row, of one state of the store."""

    metadata: Mapping[int, Mapping[str, Any]]
    rows: Rows  # (n,) rising
    counters: tuple[int, int]
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
        self._state: Facts | None = None
        self._lock = Lock()  # held by who moves `_state`

    def fresh(self, counters: tuple[int, int]) -> Facts:
        """The facts, with all that was written until the store's counters were these, or later."""
        state = self._state
        if state is not None and state.counters == counters:
            return state
        with self._lock:
            now, state = self._store.counters(), self._state
            if state is not None and state.counters == now:
                return state
            known, first = ({}, 0) if state is None else (dict(state.metadata), state.counters[0])
            if state is not None and state.counters[1] != now[1]:  # rows were purged: start anew
                known, first = {}, 0
            changed = self._store.metadata.since(first)
            for row in changed.gone:
                known.pop(row, None)
            known |= changed.living
            rows = np.array(sorted(known), dtype=np.int64)
            self._state = Facts(known, rows, now)
            return self._state
