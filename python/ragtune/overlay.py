"""Move documents towards their questions (NUDGE), and judge what that does to the others.

The strongest lever where every document has questions, and harmful where they have not: a
document that moved stands in the way of others. So it is judged on both slices, and watched for
hubs. Source: Zeighami, Wellmer & Parameswaran 2024, arXiv:2409.02343.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ragtune import _core, gate
from ragtune.arrays import unit_rows
from ragtune.crossfit import subset
from ragtune.evaluation import METRICS, Scores
from ragtune.folds import Fold
from ragtune.ranking import scores_from_ranks
from ragtune.report import Judged, Report, compare
from ragtune.training_data import TrainingData

VALIDATION = 5  # one of so many training queries decides how far documents move
HUB_DEPTH = 10

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Overlay:
    """Documents that moved: rows (m,), deltas (m, d); `gamma` is how far, 0 for not at all."""

    rows: NDArray[np.int64]
    deltas: Floats
    gamma: float

    def over(self, corpus: Floats) -> Floats:
        """The corpus (n, d) with its documents moved; a copy, of unit length."""
        moved = corpus.copy()
        moved[self.rows] += self.deltas
        return unit_rows(moved)


def learn(data: TrainingData, seed: int) -> Overlay:
    """Move the documents of the training queries, as far as some of these say that it helps."""
    order = np.random.default_rng(seed).permutation(len(data.queries))
    held = np.sort(order[: len(order) // VALIDATION])
    if not len(held):
        none = np.empty(0, dtype=np.int64)
        return Overlay(none, np.empty((0, data.corpus.shape[1]), dtype=np.float32), 0.0)
    train, validation = data.only(np.setdiff1d(order, held)), data.only(held)
    rows, deltas, gamma, _ = _core.nudge(
        data.corpus, train.queries, *train.csr[:2], validation.queries, *validation.csr[:2]
    )
    return Overlay(rows, deltas, gamma)


def judge(
    data: TrainingData,
    folds: tuple[Sequence[Fold], Sequence[Fold]],
    coverage: float,
    seed: int,
    tick: Callable[[], None],
) -> tuple[Overlay, Report]:
    """Learn on each fold, judge on the rest, and learn once more on everything."""
    parts = [_out_of_fold(data, own, seed, tick) for own in folds]
    slices = compare(*parts, coverage=coverage, seed=seed)
    overlay = learn(data, seed)
    told: dict[str, Any] = {"gamma": overlay.gamma, "moved": len(overlay.rows)}
    for name, corpus in (("before", data.corpus), ("after", overlay.over(data.corpus))):
        told[f"largest_hub_{name}"] = largest_hub(corpus, data.queries)
    report = Report(
        *slices,
        coverage=coverage,
        verdict=gate.judge(slices[2], slices[1], None),
        strategy="nudge",
        hyperparameters=told,
        seed=seed,
    )
    tick()
    return overlay, report


def largest_hub(corpus: Floats, queries: Floats) -> int:
    """For how many of the queries the most frequent document is among the first ten."""
    found = _core.exact_search(corpus, queries, k=min(HUB_DEPTH, len(corpus)))[1]
    return int(np.bincount(found.ravel()).max())


def _out_of_fold(
    data: TrainingData, folds: Sequence[Fold], seed: int, tick: Callable[[], None]
) -> Judged | None:
    before: list[Scores] = []
    after: list[Scores] = []
    for fold in folds:
        moved = learn(data.only(fold.train), seed).over(data.corpus)
        before.append(_scores(data, fold.judge, data.corpus))
        after.append(_scores(data, fold.judge, moved))
        tick()
    if not folds:
        return None
    queries = np.concatenate([fold.judge for fold in folds])
    return Judged(_joined(before), _joined(after), data.query_groups[queries], queries)


def _scores(data: TrainingData, queries: NDArray[np.int64], corpus: Floats) -> Scores:
    asked, csr = np.ascontiguousarray(data.queries[queries]), subset(data, queries)
    one = np.ones(1, dtype=np.float32)
    ranks = _core.relevant_ranks(corpus, asked, asked, one, *csr)[0]
    return {metric: scores_from_ranks(ranks, csr, metric)[0] for metric in METRICS}


def _joined(parts: Sequence[Scores]) -> Scores:
    return {metric: np.concatenate([part[metric] for part in parts]) for metric in METRICS}
