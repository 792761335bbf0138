"""The index of a memory's chunks: caught up with the store, kept in a file between processes.

The store is the truth and the index a cache of it, in memory and on disk alike. What is
missing, damaged, of another store or purged is built anew from the store.
"""

from __future__ import annotations

import os
import warnings
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ragtune import _core
from ragtune.store import Changes, Lock, Store, content_key
from ragtune.types import CorruptFileError

GRAPH_FROM = 10_000  # living chunks from which a graph is walked; below half of it no longer
FILE_FROM = 1_000  # living chunks from which a file is worth its space
SAVED_SHARE = 0.1  # of the chunks must have changed before the file is written anew
CLOSED_SHARE = 0.01  # the same when the memory is closed: what is not saved is caught up

_SAVING = Lock()  # two indices of one process would write the same temporary file


@dataclass(frozen=True, slots=True)
class CaughtUp:
    """An index with all that was written until the store's counters were these, or later.

    A search of `index` sees one snapshot: the chunks as they were at one moment, not before
    `counters`. A catch-up moves it on in one step.
    """

    index: _core.Index
    counters: tuple[int, int]


class ChunkIndex:
    """One owner's chunks, searchable by row."""

    def __init__(self, store: Store, folder: Path) -> None:
        """Read nothing yet; the file is looked for when a search first needs it."""
        self._store = store
        name = content_key(store.owner).hex()[:16]  # an owner may hold what no file name can
        self._path = folder / f"index-{name}.ragtune"
        self._state: CaughtUp | None = None
        self._unsaved = 0  # rows that the file does not know
        self._warned = False
        self._process = os.getpid()
        self._lock = Lock()  # held by who moves `_state`

    def fresh(self, dimension: int) -> CaughtUp:
        """The index, caught up with what this and other processes wrote until now."""
        state = self._state
        if state is not None and self._store.counters() == state.counters:
            return state
        with self._lock:
            state = self._caught_up(dimension)
            if self._unsaved >= max(FILE_FROM, SAVED_SHARE * len(state.index)):
                self._save(state)
            return state

    def held(self) -> Lock:
        """Let no other thread move the index on."""
        return self._lock

    def count(self) -> int:
        """Living chunks; counted by the store only if the index is not caught up."""
        state = self._state
        if state is not None and self._store.counters() == state.counters:
            return len(state.index)
        return self._store.chunks.count()

    def close(self) -> None:
        """Save what is worth it."""
        with self._lock:
            state = self._state
            if state and self._unsaved > CLOSED_SHARE * len(state.index):
                self._save(state)

    def forget(self) -> None:
        """Remove the file, as it holds vectors that were purged."""
        with self._lock:
            self._remove_leftovers()
            _remove(self._path)

    def _caught_up(self, dimension: int) -> CaughtUp:
        counters, state = self._store.counters(), self._state
        if state is not None and counters == state.counters:
            return state  # another thread did it
        state = state or self._load(dimension, counters[1])
        kind = state.index.kind if state else "flat"
        if state is not None and counters[1] != state.counters[1]:
            state = None  # rows were purged, which are not among the changed: start anew
        if state is not None:
            self._update(state.index, self._store.chunks.changed_since(state.counters[0]))
        if state is None or kind != kind_for(len(state.index), kind):
            index = self._built(dimension, kind)
        else:
            index = state.index
        self._state = state = CaughtUp(index, counters)
        return state

    def _built(self, dimension: int, kind: str) -> _core.Index:
        changes = self._store.chunks.changed_since(0)
        kind = kind_for(len(changes.rows), kind)
        index = _core.Index(dimension, metric="ip", kind=kind)
        self._unsaved = 0
        self._update(index, changes)
        return index

    def _update(self, index: _core.Index, changes: Changes) -> None:
        vectors = changes.vectors.reshape(len(changes.rows), index.dimensions)
        index.update(vectors, changes.rows, removed=changes.gone)
        self._unsaved += len(changes.rows) + len(changes.gone)

    def _load(self, dimension: int, generation: int) -> CaughtUp | None:
        """The index in the file, if the store remembers that it was saved; else no file."""
        if not os.path.lexists(self._path):
            return None
        try:
            index, note = _core.Index.load(str(self._path))
        except CorruptFileError as error:
            _remove(self._path)  # it would be warned of until the next save
            self._warn("the index file is damaged and is built anew from the store", error, 8)
            return None
        except (RuntimeError, ValueError, OSError) as error:
            if os.path.lexists(self._path):  # else another process has just removed it
                self._warn("the index file cannot be read and is built anew in memory", error, 8)
            return None
        counters = self._store.saves.counters(note[0]) if note else None
        expected = generation, dimension, "ip"
        if counters is None or (counters[1], index.dimensions, index.metric) != expected:
            _remove(self._path)  # may hold what was purged
            return None
        self._unsaved = 0
        return CaughtUp(index, counters)

    def _save(self, state: CaughtUp) -> None:
        """Write the file; a cache that cannot be written fails nothing."""
        if len(state.index) < FILE_FROM or os.getpid() != self._process:
            return
        self._unsaved = 0  # if it fails, the next try is as far away as if it had not
        try:
            with _SAVING:
                self._remove_leftovers()
                token = self._store.saves.add(state.counters)
                if token is not None:
                    state.index.save(str(self._path), np.array([token], dtype=np.int64))
                    if self._store.counters()[1] != state.counters[1]:
                        _remove(self._path)  # purged meanwhile
        except Exception as error:
            if not self._warned:
                self._warned = True
                self._warn("the index file cannot be written; it is built at each start", error, 7)

    def _remove_leftovers(self) -> None:
        """Remove what processes left that were killed while they saved."""
        for path in self._path.parent.glob(f"{self._path.name}.tmp*"):
            process = path.name.rpartition(".tmp")[2].partition(".")[0]
            if process.isdecimal() and not _is_alive(int(process)):
                _remove(path)

    def _warn(self, what: str, error: Exception, level: int) -> None:
        text = f"{self._path}: {what}; nothing is lost: {error}"
        warnings.warn(text, RuntimeWarning, stacklevel=level)


def kind_for(living: int, now: str) -> str:
    """Kind of index for so many chunks; one that is a graph stays it down to half the size."""
    return "hnsw" if living >= (GRAPH_FROM // 2 if now == "hnsw" else GRAPH_FROM) else "flat"


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):  # another user's, for example
        pass
    return True


def _remove(path: Path) -> None:
    with suppress(OSError):
        path.unlink()
