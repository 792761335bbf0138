"""Ridge to the identity, chosen and judged by cross-fitting.

Every candidate (penalty, alpha) is scored out of fold on both slices. For the report each
query is scored under the candidate that the *other* folds prefer, so that the choice does
not flatter the figure; the final model takes the candidate that all queries prefer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ragtune import _core
from ragtune.evaluation import METRICS, Scores
from ragtune.folds import Fold, TrainingData
from ragtune.ranking import scores_from_ranks

PENALTIES = (3.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0)
ALPHAS = (0.25, 0.5, 0.75, 1.0, 1.25)
OBJECTIVE = "ndcg@10"

Step = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Outcome:
    """Out-of-fold ranks of one slice, the frozen embeddings first, then each candidate.

    Shapes: queries (judged,), fold (judged,), ranks (1 + candidates, pairs) with the pairs of
    the judged queries, objective (1 + candidates, judged), csr of the pairs.
    """

    queries: NDArray[np.int64]
    fold: NDArray[np.int64]
    ranks: NDArray[np.int32]
    objective: NDArray[np.float64]
    csr: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]

    def scores(self, candidate: NDArray[np.int64] | None = None) -> Scores:
        """All metrics, each query under its own candidate (0 or None: frozen)."""
        chosen = np.zeros(len(self.queries), dtype=np.int64) if candidate is None else candidate
        own = self.ranks[np.repeat(chosen, np.diff(self.csr[0])), np.arange(self.ranks.shape[1])]
        return {metric: scores_from_ranks(own[None], self.csr, metric)[0] for metric in METRICS}


def grid(hyperparameters: dict[str, Any]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """The penalties and alphas to try: what the user fixes, else the defaults.

    Raises:
        ValueError: A name is unknown or a value out of range.
    """
    unknown = set(hyperparameters) - {"penalty", "alpha"}
    if unknown:
        raise ValueError(
            f"hyperparameters: expected 'penalty' and 'alpha' for ridge, got {sorted(unknown)}"
        )
    penalties = _values(hyperparameters.get("penalty"), PENALTIES, "penalty")
    alphas = _values(hyperparameters.get("alpha"), ALPHAS, "alpha")
    return penalties, alphas


def _values(given: Any, default: tuple[float, ...], name: str) -> tuple[float, ...]:
    if given is None:
        return default
    values = tuple(float(v) for v in np.atleast_1d(given))
    if not values or not all(np.isfinite(v) and v > 0 for v in values):
        raise ValueError(f"hyperparameters[{name!r}]: expected numbers above 0, got {given!r}")
    return values


def statistics(
    data: TrainingData,
    queries: NDArray[np.int64],
    shuffle: np.random.Generator | None = None,
) -> _core.RidgeStatistics:
    """Sufficient statistics of the pairs of some queries; each query weighs 1 in all.

    With `shuffle` the answers are dealt anew among the pairs: see `control_scores`.
    """
    keep = np.isin(data.pair_query, queries)
    pair_query, pair_row, grades = data.pair_query[keep], data.pair_row[keep], data.pair_grade[keep]
    if shuffle is not None:
        pair_row = shuffle.permutation(pair_row)
    totals = np.bincount(pair_query, weights=grades, minlength=len(data.queries))
    weights = (grades / totals[pair_query]).astype(np.float32)
    stats = _core.RidgeStatistics(data.corpus.shape[1])
    stats.add(data.queries[pair_query], data.corpus[pair_row], weights)
    return stats


def cross_fit(
    data: TrainingData,
    folds: list[Fold],
    penalties: tuple[float, ...],
    alphas: tuple[float, ...],
    step: Step,
) -> Outcome | None:
    """Rank the relevant documents of every judged query under every candidate."""
    if not folds:
        return None
    judged = np.concatenate([fold.judge for fold in folds])
    fold_of = np.repeat(np.arange(len(folds)), [len(fold.judge) for fold in folds])
    order = np.argsort(judged)
    judged, fold_of = judged[order], fold_of[order]
    queries = np.ascontiguousarray(data.queries[judged])
    adapted = np.empty((len(penalties), *queries.shape), dtype=np.float32)
    for f, fold in enumerate(folds):
        stats = statistics(data, fold.train)
        for p, penalty in enumerate(penalties):
            weights = np.ascontiguousarray(stats.solve(penalty).T)
            own = np.ascontiguousarray(queries[fold_of == f])
            adapted[p, fold_of == f] = _core.multiply_transposed(own, weights)
            step()
    csr = _subset(data, judged)
    flat = adapted.reshape(-1, queries.shape[1])
    shrink = np.array([0.0, *alphas], dtype=np.float32)
    ranks = _core.relevant_ranks(data.corpus, queries, flat, shrink, *csr)
    frozen, candidates = ranks[0, :1], ranks[:, 1:].reshape(-1, ranks.shape[2])
    all_ranks = np.concatenate([frozen, candidates])
    objective = scores_from_ranks(all_ranks, csr, OBJECTIVE)
    return Outcome(judged, fold_of, all_ranks, objective, csr)


def _subset(
    data: TrainingData, queries: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    keep = np.isin(data.pair_query, queries)
    position = np.searchsorted(queries, data.pair_query[keep])
    offsets = np.searchsorted(position, np.arange(len(queries) + 1)).astype(np.int64)
    return offsets, data.pair_row[keep], data.pair_grade[keep]


def best_candidate(
    seen: NDArray[np.float64] | None, unseen: NDArray[np.float64] | None, coverage: float
) -> int:
    """Index of the candidate with the best weighted mean that does not lose on the unseen.

    Both arrays are (1 + candidates, queries), the frozen embeddings first; 0 means that
    nothing beats them.
    """
    parts = [
        (means.mean(axis=1), weight)
        for means, weight in ((seen, coverage), (unseen, 1 - coverage))
        if means is not None and means.shape[1]
    ]
    if not parts:
        return 0
    total = sum(weight for _, weight in parts) or 1.0
    value = sum(mean * weight for mean, weight in parts) / total
    if unseen is not None and unseen.shape[1]:
        loses = unseen.mean(axis=1) < unseen[0].mean() - 1e-12
        value = np.where(loses, -np.inf, value)
    return int(value.argmax())


def honest_choice(
    outcome: Outcome, other: Outcome | None, *, is_seen: bool, coverage: float
) -> NDArray[np.int64]:
    """For each judged query the candidate that queries outside its fold prefer, (judged,)."""
    own, rest = outcome.objective, other.objective if other else None
    choice = np.zeros(len(outcome.queries), dtype=np.int64)
    for f in np.unique(outcome.fold):
        inside = outcome.fold == f
        kept_own = own[:, ~inside]
        kept_rest = (
            rest[:, ~np.isin(other.queries, outcome.queries[inside])]
            if rest is not None and other is not None
            else None
        )
        seen, unseen = (kept_own, kept_rest) if is_seen else (kept_rest, kept_own)
        choice[inside] = best_candidate(seen, unseen, coverage)
    return choice


def control_scores(
    data: TrainingData,
    folds: list[Fold],
    outcome: Outcome,
    choice: NDArray[np.int64],
    penalties: tuple[float, ...],
    alphas: tuple[float, ...],
    seed: int,
) -> Scores:
    """What the same models are worth when their training answers are shuffled.

    Which chunks have questions at all is knowledge, too: an adapter can gain by leaning
    towards them without having understood any question. The negative control keeps that
    knowledge and destroys the rest. Ojala & Garriga 2010, JMLR 11:1833.
    """
    queries = np.ascontiguousarray(data.queries[outcome.queries])
    adapted = queries.copy()
    random = np.random.default_rng(seed)
    for f, fold in enumerate(folds):
        inside = outcome.fold == f
        candidate = int(choice[inside][0])
        if candidate == 0:
            continue
        penalty, alpha = candidate_at(candidate, penalties, alphas)
        weights = statistics(data, fold.train, random).solve(penalty)
        shrunk = _core.shrunk_to_identity(weights, alpha=alpha)
        own = np.ascontiguousarray(queries[inside])
        adapted[inside] = _core.multiply_transposed(own, np.ascontiguousarray(shrunk.T))
    one = np.ones(1, dtype=np.float32)
    ranks = _core.relevant_ranks(data.corpus, queries, adapted, one, *outcome.csr)[0]
    return {metric: scores_from_ranks(ranks, outcome.csr, metric)[0] for metric in METRICS}


def candidate_at(
    candidate: int, penalties: tuple[float, ...], alphas: tuple[float, ...]
) -> tuple[float, float]:
    """Penalty and alpha of candidate 1, 2, ...; 0 is the frozen embeddings."""
    return penalties[(candidate - 1) // len(alphas)], alphas[(candidate - 1) % len(alphas)]
