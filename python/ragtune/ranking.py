"""Metrics from the ranks of the relevant documents alone: no result list is needed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ragtune.evaluation import parse_metric

Csr = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]


def scores_from_ranks(ranks: NDArray[np.int32], csr: Csr, metric: str) -> NDArray[np.float64]:
    """Score of each query, shape (m, nq).

    Args:
        ranks: (m, nnz), 0 is best; the relevant documents of m systems.
        csr: Offsets (nq + 1,), rows and grades (nnz,); every query has at least one
            document and every grade is above 0.
        metric: recall, mrr or ndcg with a depth.

    Raises:
        ValueError: The metric is another.
    """
    offsets, _, grades = csr
    name, k = parse_metric(metric)
    starts = offsets[:-1]
    found = ranks < k
    if name == "recall":
        return np.add.reduceat(found, starts, axis=1, dtype=np.float64) / np.diff(offsets)
    if name == "mrr":
        best = np.minimum.reduceat(ranks, starts, axis=1)
        return np.where(best < k, 1.0 / (best + 1.0), 0.0)
    if name == "ndcg":
        gains = np.where(found, grades / np.log2(ranks + 2.0), 0.0)
        return np.add.reduceat(gains, starts, axis=1) / _ideal(offsets, grades, k)
    raise ValueError(f"metric: expected recall, mrr or ndcg from ranks, got {name}")


def _ideal(offsets: NDArray[np.int64], grades: NDArray[np.float32], k: int) -> NDArray[np.float64]:
    query = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    order = np.lexsort((-grades, query))
    rank = np.arange(len(grades)) - offsets[query]
    gains = np.where(rank < k, grades[order] / np.log2(rank + 2.0), 0.0)
    return np.add.reduceat(gains, offsets[:-1])
