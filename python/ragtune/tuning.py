"""Learn from (question, relevant chunk) pairs, and prove what it is worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ragtune import _core, gate
from ragtune.arrays import as_count, as_fraction, as_matrix, unit_rows
from ragtune.folds import Fold, TrainingData, document_folds, glue_near_duplicates, query_folds
from ragtune.model import Model
from ragtune.report import Judged, Report, compare
from ragtune.strategies import ridge
from ragtune.types import Progress

STRATEGIES = ("auto", "ridge", "identity")


def fit(
    corpus_embeddings: ArrayLike,
    query_embeddings: ArrayLike,
    qrels: Sequence[Mapping[int, float]],
    *,
    groups: Sequence[Any] | None = None,
    strategy: str = "auto",
    hyperparameters: Mapping[str, Any] | None = None,
    coverage: float = 0.5,
    seed: int = 0,
    progress: Progress | None = None,
) -> Model:
    """Learn a query adapter and judge it on questions and documents that it did not learn from.

    Args:
        corpus_embeddings: (n, d); compared by cosine.
        query_embeddings: (nq, d).
        qrels: One mapping {corpus row: grade} per query; above 0 is relevant. Queries
            without a relevant row are left out.
        groups: One label per corpus row: the document that it comes from. Without labels
            each row is a document of its own.
        strategy: "auto" and "ridge" learn by ridge regression to the identity; "identity"
            learns nothing.
        hyperparameters: `penalty` and `alpha` of ridge, a number or several to choose from.
        coverage: Share of traffic that falls on documents with training questions.
        seed: Decides the folds and the resamples.
        progress: Called with (done, total).

    Raises:
        TypeError: A value is of the wrong type.
        ValueError: Shapes differ, values are not finite, a row or name is unknown, or no
            query has a relevant row.
    """
    if strategy not in STRATEGIES:
        raise ValueError(f"strategy: expected one of {', '.join(STRATEGIES)}, got {strategy!r}")
    penalties, alphas = ridge.grid(dict(hyperparameters or {}))
    if strategy == "identity":
        alphas = ()
    coverage, seed = as_fraction(coverage, "coverage"), as_count(seed, "seed", least=0)
    data = training_data(corpus_embeddings, query_embeddings, qrels, groups)
    return _fit_ridge(data, penalties, alphas, coverage, seed, progress)


def training_data(
    corpus_embeddings: ArrayLike,
    query_embeddings: ArrayLike,
    qrels: Sequence[Mapping[int, float]],
    groups: Sequence[Any] | None,
) -> TrainingData:
    """Check what the user gave and bring it into the form that learners take.

    Raises:
        TypeError: A value is of the wrong type.
        ValueError: Shapes differ, a row is unknown, or no query has a relevant row.
    """
    corpus = unit_rows(as_matrix(corpus_embeddings, "corpus_embeddings"))
    queries = as_matrix(query_embeddings, "query_embeddings", dimension=corpus.shape[1])
    if len(qrels) != len(queries):
        raise ValueError(f"qrels: expected {len(queries)} mappings, got {len(qrels)}")
    if groups is not None and len(groups) != len(corpus):
        raise ValueError(f"groups: expected {len(corpus)} labels, got {len(groups)}")
    labels = range(len(corpus)) if groups is None else groups
    numbers = {label: number for number, label in enumerate(dict.fromkeys(labels))}
    group_of = np.array([numbers[label] for label in labels], dtype=np.int64)
    query, row, grade = _positive_pairs(qrels, len(corpus))
    kept, query = np.unique(query, return_inverse=True)
    return TrainingData(
        corpus=corpus,
        queries=unit_rows(queries[kept]),
        pair_query=query.astype(np.int64),
        pair_row=row,
        pair_grade=grade,
        groups=glue_near_duplicates(corpus, row, group_of),
    )


def _positive_pairs(
    qrels: Sequence[Mapping[int, float]], n: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    pairs = []
    for query, grades in enumerate(qrels):
        if not isinstance(grades, Mapping):
            raise TypeError(f"qrels[{query}]: expected a mapping, got {type(grades).__name__}")
        for row, grade in grades.items():
            if not 0 <= as_count(row, f"qrels[{query}]", least=-(2**31)) < n:
                raise ValueError(f"qrels[{query}]: expected rows in [0, {n}), got {row}")
            if not np.isfinite(grade):
                raise ValueError(f"qrels[{query}]: expected a finite grade, got {grade}")
            if grade > 0:
                pairs.append((query, int(row), float(grade)))
    if not pairs:
        raise ValueError("qrels: expected at least one query with a relevant row, got none")
    query_of, row_of, grade_of = zip(*pairs, strict=True)
    return np.array(query_of), np.array(row_of), np.array(grade_of, dtype=np.float32)


def _fit_ridge(
    data: TrainingData,
    penalties: tuple[float, ...],
    alphas: tuple[float, ...],
    coverage: float,
    seed: int,
    progress: Progress | None,
) -> Model:
    by_query, by_document = query_folds(data, seed), document_folds(data, seed)
    total, done = (len(by_query) + len(by_document)) * len(penalties) + 1, 0

    def step() -> None:
        nonlocal done
        done += 1
        if progress:
            progress(done, total)

    grid = penalties, alphas
    seen = ridge.cross_fit(data, by_query, *grid, step)
    unseen = ridge.cross_fit(data, by_document, *grid, step)
    judged, control = zip(
        _judged(data, by_query, seen, unseen, grid, coverage, seed, is_seen=True),
        _judged(data, by_document, unseen, seen, grid, coverage, seed, is_seen=False),
        strict=True,
    )
    slices = compare(*judged, coverage=coverage, seed=seed)
    beyond_control = compare(*control, coverage=coverage, seed=seed)[2]
    best = ridge.best_candidate(
        seen.objective if seen else None, unseen.objective if unseen else None, coverage
    )
    chosen, weights = _final(data, best, penalties, alphas)
    step()
    report = Report(
        *slices,
        coverage=coverage,
        verdict=gate.judge(slices[2], slices[1], beyond_control),
        control=beyond_control,
        strategy="ridge" if chosen else "identity",
        hyperparameters=chosen,
        seed=seed,
    )
    return Model(weights, report, corpus=data.corpus)


def _judged(
    data: TrainingData,
    folds: list[Fold],
    outcome: ridge.Outcome | None,
    other: ridge.Outcome | None,
    grid: tuple[tuple[float, ...], tuple[float, ...]],
    coverage: float,
    seed: int,
    *,
    is_seen: bool,
) -> tuple[Judged | None, Judged | None]:
    """The learned model against the frozen embeddings, and against its negative control."""
    if outcome is None:
        return None, None
    choice = ridge.honest_choice(outcome, other, is_seen=is_seen, coverage=coverage)
    groups, after = data.query_groups[outcome.queries], outcome.scores(choice)
    control = ridge.control_scores(data, folds, outcome, choice, *grid, seed)
    who = groups, outcome.queries
    return Judged(outcome.scores(), after, *who), Judged(control, after, *who)


def _final(
    data: TrainingData, best: int, penalties: tuple[float, ...], alphas: tuple[float, ...]
) -> tuple[dict[str, float], NDArray[np.float32]]:
    """Hyperparameters and matrix of the chosen candidate, trained on all pairs."""
    if best == 0:
        return {}, np.eye(data.corpus.shape[1], dtype=np.float32)
    penalty, alpha = ridge.candidate_at(best, penalties, alphas)
    weights = ridge.statistics(data, np.arange(len(data.queries))).solve(penalty)
    chosen = {"penalty": penalty, "alpha": alpha}
    return chosen, _core.shrunk_to_identity(np.ascontiguousarray(weights), alpha=alpha)
