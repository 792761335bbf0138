"""Score every way of learning an adapter on questions that it did not learn from.

A *setting* is a strategy with its hyperparameters; each is trained once per fold. A *candidate*
is a setting and a shrinkage alpha: the adapted query is q + alpha (q' - q). Candidate 0 is the
frozen embeddings.

For the report each query is scored under the candidate that the *other* folds prefer, so that
the choice does not flatter the figure; the final model takes the candidate that all prefer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ragtune import _core
from ragtune.arrays import unit_rows
from ragtune.evaluation import METRICS, Scores
from ragtune.folds import Fold
from ragtune.ranking import Csr, scores_from_ranks
from ragtune.training_data import TrainingData

OBJECTIVE = "ndcg@10"
CLOSE = 0.0025  # of nDCG@10

Floats = NDArray[np.float32]
Step = Callable[[], None]
Adapted = Callable[[TrainingData, Floats], Floats]
"""(training part, queries (m, d)) -> adapted queries of every setting, (settings, m, d)."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Out-of-fold results of one slice.

    Shapes: queries (judged,) ascending, fold (judged,), adapted (settings, judged, d) not of
    unit length, ranks (1 + candidates, pairs) of the judged queries' relevant rows, objective
    (1 + candidates, judged), csr of the pairs. Candidate 1 + s len(alphas) + a is setting s
    under alpha a.
    """

    queries: NDArray[np.int64]
    fold: NDArray[np.int64]
    folds: Sequence[Fold]
    adapted: Floats
    alphas: tuple[float, ...]
    ranks: NDArray[np.int32]
    objective: NDArray[np.float64]
    csr: Csr

    def only(self, settings: NDArray[np.int64]) -> Outcome:
        """The same with some of the settings, by their numbers."""
        each = len(self.alphas)
        own = 1 + settings[:, None] * each + np.arange(each)
        candidates = np.concatenate([[0], own.ravel()])
        return replace(
            self,
            adapted=self.adapted[settings],
            ranks=self.ranks[candidates],
            objective=self.objective[candidates],
        )

    def scores(self, candidate: NDArray[np.int64] | None = None) -> Scores:
        """All metrics, each query under its own candidate (0 or None: frozen)."""
        chosen = np.zeros(len(self.queries), dtype=np.int64) if candidate is None else candidate
        own = self.ranks[np.repeat(chosen, np.diff(self.csr[0])), np.arange(self.ranks.shape[1])]
        return {metric: scores_from_ranks(own[None], self.csr, metric)[0] for metric in METRICS}

    def vectors(self, frozen: Floats, candidate: NDArray[np.int64]) -> Floats:
        """Adapted queries of unit length (judged, d), each under its own candidate."""
        own = frozen[self.queries]
        if not len(self.adapted):
            return own
        setting, alpha = np.divmod(np.maximum(candidate - 1, 0), len(self.alphas))
        shift = self.adapted[setting, np.arange(len(own))] - own
        scale = np.where(candidate > 0, np.asarray(self.alphas)[alpha], 0.0)
        return unit_rows((own + scale[:, None].astype(np.float32) * shift).astype(np.float32))


def cross_fit(
    data: TrainingData,
    folds: Sequence[Fold],
    learners: Sequence[Adapted],
    alphas: tuple[float, ...],
    step: Step,
) -> Outcome | None:
    """Train on each fold, adapt the queries that it judges, and rank their relevant rows."""
    if not folds:
        return None
    judged = np.concatenate([fold.judge for fold in folds])
    fold_of = np.repeat(np.arange(len(folds)), [len(fold.judge) for fold in folds])
    order = np.argsort(judged)
    judged, fold_of = judged[order], fold_of[order]
    queries = np.ascontiguousarray(data.queries[judged])
    blocks: list[Floats] = []
    for f, fold in enumerate(folds):
        part, own = data.only(fold.train), np.ascontiguousarray(queries[fold_of == f])
        for number, learner in enumerate(learners):
            adapted = learner(part, own)
            if f == 0:
                blocks.append(np.empty((len(adapted), *queries.shape), dtype=np.float32))
            blocks[number][:, fold_of == f] = adapted
            step()
    adapted = np.concatenate(blocks) if blocks else np.empty((0, *queries.shape), np.float32)
    csr = subset(data, judged)
    ranks = _ranks(data.corpus, queries, adapted, alphas, csr)
    objective = scores_from_ranks(ranks, csr, OBJECTIVE)
    return Outcome(judged, fold_of, folds, adapted, alphas, ranks, objective, csr)


def _ranks(
    corpus: Floats, queries: Floats, adapted: Floats, alphas: tuple[float, ...], csr: Csr
) -> NDArray[np.int32]:
    """Ranks (1 + settings * alphas, pairs), the frozen embeddings first."""
    if not len(adapted):
        adapted, alphas = queries[None], ()
    shrink = np.array([0.0, *alphas], dtype=np.float32)
    flat = np.ascontiguousarray(adapted.reshape(-1, queries.shape[1]))
    ranks = _core.relevant_ranks(corpus, queries, flat, shrink, *csr)
    return np.concatenate([ranks[0, :1], ranks[:, 1:].reshape(-1, ranks.shape[2])])


def ranks_of(data: TrainingData, outcome: Outcome, vectors: Floats) -> Scores:
    """All metrics of the judged queries under given vectors (judged, d)."""
    one = np.ones(1, dtype=np.float32)
    queries = np.ascontiguousarray(data.queries[outcome.queries])
    ranks = _core.relevant_ranks(data.corpus, queries, vectors, one, *outcome.csr)[0]
    return {metric: scores_from_ranks(ranks, outcome.csr, metric)[0] for metric in METRICS}


def subset(data: TrainingData, queries: NDArray[np.int64]) -> Csr:
    """The pairs of some queries (ascending) as offsets, rows and grades."""
    keep = np.isin(data.pair_query, queries)
    position = np.searchsorted(queries, data.pair_query[keep])
    offsets = np.searchsorted(position, np.arange(len(queries) + 1)).astype(np.int64)
    return offsets, data.pair_row[keep], data.pair_grade[keep]


def weighted_means(
    seen: NDArray[np.float64] | None, unseen: NDArray[np.float64] | None, coverage: float
) -> NDArray[np.float64] | None:
    """Mean of each candidate over the slices that there are, (candidates,); None for none.

    A slice alone counts whatever its weight, so that traffic that was never judged decides nothing.
    """
    parts = [
        (part.mean(axis=1), max(weight, 1e-9))
        for part, weight in ((seen, coverage), (unseen, 1 - coverage))
        if part is not None and part.shape[1]
    ]
    if not parts:
        return None
    means, weights = (np.array(values) for values in zip(*parts, strict=True))
    return np.asarray(weights @ means / weights.sum())


def best(
    seen: NDArray[np.float64] | None, unseen: NDArray[np.float64] | None, coverage: float
) -> int:
    """Index of the candidate with the best weighted mean among those good on unseen documents.

    Both arrays are (1 + candidates, queries), what is there without learning first; 0 means
    that nothing beats it. A gain on seen documents is easily had by learning them by heart, so
    it may cost what unseen ones can gain by chance at most: `CLOSE`, and never more than that gain.
    """
    value = weighted_means(seen, unseen, coverage)
    if value is None:
        return 0
    if unseen is not None and unseen.shape[1]:
        mean = unseen.mean(axis=1)
        value = np.where(mean < max(mean[0], mean.max() - CLOSE) - 1e-12, -np.inf, value)
    return int(np.argmax(value))


def honest_choice(
    outcome: Outcome, other: Outcome | None, *, is_seen: bool, coverage: float
) -> NDArray[np.int64]:
    """For each judged query the candidate that queries outside its fold prefer, (judged,)."""
    choice = np.zeros(len(outcome.queries), dtype=np.int64)
    for f in np.unique(outcome.fold):
        inside = outcome.fold == f
        own = outcome.objective[:, ~inside]
        rest = (
            other.objective[:, ~np.isin(other.queries, outcome.queries[inside])] if other else None
        )
        seen, unseen = (own, rest) if is_seen else (rest, own)
        choice[inside] = best(seen, unseen, coverage)
    return choice
