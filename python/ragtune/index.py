"""Nearest-neighbour search over vectors with ids of your own."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ragtune import _core
from ragtune.arrays import as_count, as_ids, as_matrix, as_queries, as_recall

Metric = Literal["cosine", "ip", "l2"]
Kind = Literal["flat", "hnsw"]
StoreAs = Literal["f32", "bf16"]

_NONE = np.zeros(0, dtype=np.int64)
_PADDED_K = 10_000  # up to here results are as wide as asked for, whatever the index holds


class Index:
    """Search by cosine, inner product or Euclidean distance: exact, or over a graph (HNSW).

    A larger score is closer under every metric ("l2" scores are minus the squared
    distance); equal scores stand in the order in which the vectors were added.

    Searches run in many threads at once and never wait for a writer: each sees the whole of
    an `add` or `remove`, or nothing of it.
    """

    def __init__(
        self,
        d: int,
        metric: Metric = "cosine",
        kind: Kind = "flat",
        M: int = 16,
        ef_construction: int = 100,
        seed: int = 0,
        *,
        store: StoreAs = "f32",
    ) -> None:
        """Make an empty index of dimension d.

        Args:
            d: Dimension of the vectors.
            metric: "cosine" (vectors are brought to unit length), "ip" or "l2".
            kind: "flat" is exact; "hnsw" is much faster from some ten thousand vectors on
                and finds nearly all.
            M: Links of a vector in the graph, twice as many in its lowest layer.
            ef_construction: Breadth of the search for a vector's links: a larger one builds
                slower and better.
            seed: Decides the layers of the graph; the same seed builds the same graph, at
                any number of threads.
            store: "bf16" keeps vectors in half the memory; scores are those of the rounded
                vectors (relative error up to 2^-8 per component).

        Raises:
            TypeError: A number is not an integer.
            ValueError: A number is out of range or a name unknown.
        """
        self._core = _core.Index(
            as_count(d, "d", most=65_536),
            metric=metric,
            kind=kind,
            store=store,
            M=as_count(M, "M", least=2, most=256),
            ef_construction=as_count(ef_construction, "ef_construction", most=10_000),
            seed=as_count(seed, "seed", least=0),
        )

    def __len__(self) -> int:
        """Vectors that can be found."""
        return len(self._core)

    def __repr__(self) -> str:
        core = self._core
        return (
            f"<ragtune.Index: {len(self):,} vectors of {core.dimensions} dimensions, "
            f"{core.kind}, {core.metric}, {core.store}>"
        )

    def add(
        self, x: ArrayLike, ids: ArrayLike | None = None, *, num_threads: int | None = None
    ) -> NDArray[np.int64]:
        """Add vectors x (n, d) and return their ids (n,); an id that is there is replaced.

        Without `ids` the vectors are numbered on.

        Raises:
            TypeError: x is not real or ids are not integers.
            ValueError: Shapes differ, a value is not finite, an id is negative or repeated.
                Nothing of the call is added.
        """
        matrix = as_matrix(x, "x", dimension=self._core.dimensions)
        given = None if ids is None else as_ids(ids, "ids", count=len(matrix))
        return self._core.update(matrix, given, removed=_NONE, num_threads=_threads(num_threads))

    def remove(self, ids: ArrayLike, *, num_threads: int | None = None) -> int:
        """Remove vectors and return how many there were; ids that are not there are passed over.

        Raises:
            TypeError: ids are not integers.
        """
        gone = as_ids(ids, "ids", count=np.size(ids))
        return self._core.remove(gone, _threads(num_threads))

    def compact(self, *, num_threads: int | None = None) -> None:
        """Give back the memory of removed vectors; a graph is built anew.

        Happens by itself when more than half of the vectors held are removed ones.
        """
        self._core.compact(_threads(num_threads))

    def calibrate(
        self, queries: ArrayLike | None = None, *, num_threads: int | None = None
    ) -> dict[int, float]:
        """Measure which breadth of search gives which recall@10, and choose by it from now on.

        An "hnsw" index does so by itself whenever it has doubled: it looks for vectors of its own
        by walks that pass them by, as if they were new. Real queries (nq, d) are more faithful.

        Returns:
            The recall measured at each `ef_search`; empty for a "flat" index.

        Raises:
            TypeError, ValueError: As for `search`.
        """
        asked = None
        if queries is not None:
            asked = as_queries(queries, "queries", dimension=self._core.dimensions)
        self._core.calibrate(asked, _threads(num_threads))
        return dict(self._core.calibration)

    def search(
        self,
        q: ArrayLike,
        k: int,
        *,
        ef_search: int | None = None,
        recall: float | None = None,
        filter: ArrayLike | None = None,
        num_threads: int | None = None,
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Find the k nearest of each query q (nq, d) or (d,).

        Args:
            q: Queries.
            k: How many.
            ef_search: Breadth of the walk over the graph: a larger one finds more, slower.
            recall: In its place, the share of the true k nearest that should be found, in
                (0, 1]; the breadth comes from measurements (`calibrate`), and 1 is an exact
                search. Without either, 0.99.
            filter: Which ids may be found: booleans, one for each id from 0 on (ids beyond
                the end may not), or the ids themselves. As many as match are found, up to k.
            num_threads: None is all cores.

        Returns:
            Scores and ids, (nq, k) each, best first; -inf and -1 where there are fewer than k.
            A k above 10,000 is cut to the size of the index.

        Raises:
            TypeError: q is not real, k is not an integer, or the filter neither booleans nor
                integers.
            ValueError: q has another dimension or is not finite, or a number is out of range.
        """
        queries = as_queries(q, "q", dimension=self._core.dimensions)
        wanted = as_count(k, "k")
        if ef_search is not None and recall is not None:
            raise ValueError("ef_search: expected either ef_search or recall, got both")
        mask, ids = _filter(filter)
        # A k far above n must not ask for memory.
        return self._core.search(
            queries,
            k=wanted if wanted <= _PADDED_K else min(wanted, max(len(self), _PADDED_K)),
            ef_search=None if ef_search is None else as_count(ef_search, "ef_search"),
            recall=None if recall is None else as_recall(recall, "recall"),
            mask=mask,
            ids=ids,
            num_threads=_threads(num_threads),
        )

    def save(self, path: str | Path) -> None:
        """Write the index to one checksummed file, replacing it in one step.

        Raises:
            RuntimeError: The file cannot be written.
        """
        self._core.save(str(path), _NONE)

    @classmethod
    def load(cls, path: str | Path) -> Index:
        """Map an index that `save` wrote: its vectors are read from the file when needed.

        Raises:
            FileNotFoundError: There is no such file.
            CorruptFileError: It is not what was written, or not an index.
        """
        if not Path(path).is_file():
            raise FileNotFoundError(f"{path}: expected an index file")
        index = cls.__new__(cls)
        index._core, _ = _core.Index.load(str(path))
        return index


def _threads(num_threads: int | None) -> int:
    return as_count(num_threads or 0, "num_threads", least=0)


def _filter(value: ArrayLike | None) -> tuple[NDArray[Any] | None, NDArray[np.int64] | None]:
    """A mask over ids as bytes, or the ids."""
    if value is None:
        return None, None
    try:
        array = np.asarray(list(value) if isinstance(value, (set, frozenset, range)) else value)
    except ValueError as error:  # rows of different lengths
        raise ValueError(f"filter: expected 1 dimension: {error}") from None
    if array.dtype == np.bool_:
        if array.ndim != 1:
            raise ValueError(f"filter: expected 1 dimension, got {array.ndim}")
        return np.ascontiguousarray(array).view(np.uint8), None
    return None, as_ids(array, "filter", count=array.size)
