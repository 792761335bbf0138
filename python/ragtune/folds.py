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

from ragtune.training_data import TrainingData

FOLDS = 5


@dataclass(frozen=True, slots=True)
class Fold:
    """Rows of the queries that train and of those that are judged."""

    train: NDArray[np.int64]
    judge: NDArray[np.int64]


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
