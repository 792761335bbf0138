"""Which questions may be judged by a model that was trained on which others.

Two questions, two kinds of folds:

- *document folds* (the unseen slice): a question is judged by a model that saw no question
  about any document group that the judged questions touch;
- *query folds* (the seen slice): a question is judged by a model that saw other questions
  about one of its documents.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ragtune import _core

FOLDS = 5
NEAR_DUPLICATE = 0.98  # cosine above which two chunks count as one document


@dataclass(frozen=True, slots=True)
class Fold:
    """Rows of the queries that train and of those that are judged."""

    train: NDArray[np.int64]
    judge: NDArray[np.int64]


@dataclass(frozen=True)
class TrainingData:
    """Unit-length embeddings and positive pairs; every query has at least one.

    Shapes: corpus (n, d), queries (nq, d), pair_query, pair_row and pair_grade (pairs,)
    sorted by query, groups (n,) with one number per document group.
    """

    corpus: NDArray[np.float32]
    queries: NDArray[np.float32]
    pair_query: NDArray[np.int64]
    pair_row: NDArray[np.int64]
    pair_grade: NDArray[np.float32]
    groups: NDArray[np.int64]

    @property
    def csr(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
        """The pairs as offsets (nq + 1,), corpus rows and grades (pairs,)."""
        offsets = np.searchsorted(self.pair_query, np.arange(len(self.queries) + 1))
        return offsets.astype(np.int64), self.pair_row, self.pair_grade

    @property
    def query_groups(self) -> NDArray[np.int64]:
        """The document group of each query's first relevant document, (nq,)."""
        offsets = self.csr[0]
        return self.groups[self.pair_row[offsets[:-1]]]


def glue_near_duplicates(
    corpus: NDArray[np.float32], rows: NDArray[np.int64], groups: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Merge the groups of judged chunks (`rows`) that say nearly the same; returns groups (n,).

    Without this a copy of a training document would pass for an unseen one.
    """
    judged = np.unique(rows)
    scores, neighbours = _core.exact_search(
        np.ascontiguousarray(corpus[judged]), np.ascontiguousarray(corpus[judged]), k=8
    )
    near = (scores >= NEAR_DUPLICATE) & (neighbours >= 0)
    left = np.repeat(judged, near.sum(axis=1))
    right = judged[neighbours[near]]
    return _merged(groups, groups[left], groups[right])


def _merged(
    groups: NDArray[np.int64], left: NDArray[np.int64], right: NDArray[np.int64]
) -> NDArray[np.int64]:
    parent = np.arange(groups.max(initial=0) + 1)

    def root(group: int) -> int:
        while parent[group] != group:
            parent[group] = parent[parent[group]]
            group = int(parent[group])
        return group

    for a, b in zip(left.tolist(), right.tolist(), strict=True):
        a, b = root(a), root(b)
        parent[max(a, b)] = min(a, b)
    return np.array([root(group) for group in range(len(parent))])[groups]


def document_folds(data: TrainingData, seed: int) -> list[Fold]:
    """Folds over document groups; fewer than two groups give none."""
    groups = data.query_groups
    distinct, sizes = np.unique(groups, return_counts=True)
    if len(distinct) < 2:
        return []
    fold_of_group = _balanced(sizes, min(FOLDS, len(distinct)), seed)
    fold = fold_of_group[np.searchsorted(distinct, groups)]
    pair_groups = data.groups[data.pair_row]
    return [_leak_free(data, pair_groups, np.flatnonzero(fold == f)) for f in np.unique(fold)]


def _leak_free(
    data: TrainingData, pair_groups: NDArray[np.int64], judge: NDArray[np.int64]
) -> Fold:
    touched = pair_groups[np.isin(data.pair_query, judge)]
    tainted = data.pair_query[np.isin(pair_groups, touched)]
    return Fold(np.setdiff1d(np.arange(len(data.queries)), tainted), judge)


def _balanced(sizes: NDArray[np.int64], folds: int, seed: int) -> NDArray[np.int64]:
    """Deal groups to folds, largest first, each to the emptiest; ties by chance."""
    order = np.random.default_rng(seed).permutation(len(sizes))
    order = order[np.argsort(-sizes[order], kind="stable")]
    load = np.zeros(folds, dtype=np.int64)
    fold = np.empty(len(sizes), dtype=np.int64)
    for group in order:
        fold[group] = load.argmin()
        load[fold[group]] += sizes[group]
    return fold


def query_folds(data: TrainingData, seed: int) -> list[Fold]:
    """Folds over queries; each judges only queries that share a document with its training."""
    nq = len(data.queries)
    fold = np.random.default_rng(seed).permutation(nq) % min(FOLDS, nq)
    folds = []
    for f in np.unique(fold):
        train = np.flatnonzero(fold != f)
        known = np.unique(data.pair_row[np.isin(data.pair_query, train)])
        seen = data.pair_query[np.isin(data.pair_row, known)]
        judge = np.intersect1d(np.flatnonzero(fold == f), seen)
        if len(judge):
            folds.append(Fold(train, judge))
    return folds
