"""Nearest-neighbour search over vectors with ids of your own."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ragtune import _core
from ragtune.arrays import as_count, as_ids, as_matrix, as_queries

Metric = Literal["cosine", "ip", "l2"]


class Index:
    """Exact search by cosine, inner product or Euclidean distance.

    A larger score is closer under every metric ("l2" scores are minus the squared
    distance); equal scores stand in the order in which the vectors were added. Searches
    may run in many threads at once, also beside an `add`.
    """

    def __init__(self, d: int, *, metric: Metric = "cosine") -> None:
        """Make an empty index of dimension d.

        Raises:
            ValueError: d is not in [1, 65536] or the metric is unknown.
        """
        self._core = _core.Index(as_count(d, "d", most=65_536), metric=metric)
        self._next_id = 0

    def __len__(self) -> int:
        """Vectors that can be found."""
        return len(self._core)

    def __repr__(self) -> str:
        return f"<ragtune.Index: {len(self):,} vectors of {self._core.dimensions} dimensions>"

    def add(self, x: ArrayLike, ids: ArrayLike | None = None) -> NDArray[np.int64]:
        """Add vectors x (n, d) and return their ids (n,); an id that is there is replaced.

        Without `ids` the vectors are numbered on.

        Raises:
            TypeError: x is not real or ids are not integers.
            ValueError: Shapes differ, a value is not finite, an id is negative or repeated.
                Nothing of the call is added.
        """
        matrix = as_matrix(x, "x", dimension=self._core.dimensions)
        if ids is None:
            ids = np.arange(self._next_id, self._next_id + len(matrix))
        rows = as_ids(ids, "ids", count=len(matrix))
        self._core.add(matrix, rows)
        self._next_id = max(self._next_id, int(rows.max(initial=-1)) + 1)
        return rows

    def remove(self, ids: ArrayLike) -> int:
        """Remove vectors and return how many there were; ids that are not there are passed over.

        Raises:
            TypeError: ids are not integers.
        """
        return self._core.remove(as_ids(ids, "ids", count=np.size(ids)))

    def compact(self) -> None:
        """Give back the memory of removed vectors."""
        self._core.compact()

    def search(
        self, q: ArrayLike, k: int, *, num_threads: int | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Find the k nearest of each query q (nq, d) or (d,).

        Returns:
            Scores and ids, (nq, k) each, best first; -inf and -1 where there are fewer than k.

        Raises:
            TypeError: q is not real or k is not an integer.
            ValueError: q has another dimension or is not finite, or k < 1.
        """
        queries = as_queries(q, "q", dimension=self._core.dimensions)
        threads = as_count(num_threads or 0, "num_threads", least=0)
        wanted = as_count(k, "k")
        size = min(wanted, max(len(self), 1))  # a k far above n must not ask for memory
        return self._core.search(queries, k=size, num_threads=threads)
