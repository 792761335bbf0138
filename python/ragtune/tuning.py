"""Learn from (question, relevant chunk) pairs, and prove what it is worth."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ragtune.adapters import Adapters
from ragtune.arrays import as_count, as_fraction
from ragtune.folds import Fold, document_folds, query_folds
from ragtune.full_model import FullModel
from ragtune.fusing import fuse, fusion_report
from ragtune.judged_table import stored_questions
from ragtune.learners import Tried, learners_of
from ragtune.legs import Matrix, Sources
from ragtune.model import Model
from ragtune.overlay import judge
from ragtune.report import Report
from ragtune.report_details import CurvePoint, shared_words
from ragtune.strategies.kernel_ridge import KernelRidge
from ragtune.training_data import TrainingData, sources_of, training_data
from ragtune.types import Progress

SHARES = (0.25, 0.5)  # of the questions, for the learning curve
COMPARED = 1_000  # questions whose words are compared with their chunks'


def fit(
    corpus_embeddings: ArrayLike,
    query_embeddings: ArrayLike,
    qrels: Sequence[Mapping[int, float]],
    *,
    texts: Sequence[str] | None = None,
    queries: Sequence[str] | None = None,
    parts: tuple[ArrayLike, ArrayLike] | None = None,
    groups: Sequence[Any] | None = None,
    strategy: str = "auto",
    hyperparameters: Mapping[str, Any] | None = None,
    coverage: float = 0.5,
    seed: int = 0,
    learning_curve: bool = False,
    progress: Progress | None = None,
) -> Model:
    """Learn to rank, and judge it on questions and documents that it did not learn from.

    Args:
        corpus_embeddings: (n, d); compared by cosine.
        query_embeddings: (nq, d).
        qrels: One mapping {corpus row: grade} per query; above 0 is relevant. Queries
            without a relevant row are left out.
        texts: What the corpus rows say, (n,): the legs of words need it, and `queries`.
        queries: What the queries say, (nq,).
        parts: Vectors (p, d) of the sentences of the chunks, and the corpus row of each (p,).
        groups: One label per corpus row: the document that it comes from. Without labels
            each row is a document of its own.
        strategy: "auto" learns an adapter and the fusion of all legs; "fusion" only the latter;
            "ridge" and the like an adapter alone; "nudge" moves documents; "identity" learns
            nothing.
        hyperparameters: Of the strategy; a value, or several to choose from. With parts and 50
            queries or more, "auto" also tries an adapter over a matrix that they teach by
            themselves; {"sentences": 0} saves the time of that.
        coverage: Share of traffic that falls on documents with training questions.
        seed: Decides the folds and the resamples.
        learning_curve: Also learn from a quarter and from half of the questions, which takes about
            as long again, and let the report tell whether more questions are worth it.
        progress: Called with (done, total).

    Raises:
        TypeError: A value is of the wrong type.
        ValueError: Shapes differ, values are not finite, a row or name is unknown, no
            query has a relevant row, or the strategy does not suit the data.
    """
    if (texts is None) != (queries is None):
        raise ValueError("texts: expected together with queries, got one of them")
    if not isinstance(strategy, str):
        raise TypeError(f"strategy: expected str, got {type(strategy).__name__}")
    if hyperparameters is not None and not isinstance(hyperparameters, Mapping):
        raise TypeError(
            f"hyperparameters: expected a mapping, got {type(hyperparameters).__name__}"
        )
    if progress is not None and not callable(progress):
        raise TypeError(f"progress: expected a callable, got {type(progress).__name__}")
    coverage, seed = as_fraction(coverage, "coverage"), as_count(seed, "seed", least=0)
    data = training_data(corpus_embeddings, query_embeddings, qrels, groups, queries, parts)
    sources, given = sources_of(data.corpus, texts, data.parts), dict(hyperparameters or {})
    steps = len(SHARES) + 1 if learning_curve else 1
    model = tune(data, sources, strategy, given, coverage, seed, _share(progress, 0, steps))
    report = replace(model.report, overlap=_overlap(data, texts))
    if learning_curve:
        order = np.random.default_rng(seed).permutation(len(data.queries))
        points = [_point(report)]
        for number, share in enumerate(SHARES, start=1):
            some = data.only(np.sort(order[: max(round(share * len(order)), 2)]))
            told = _share(progress, number, steps)
            points.append(_point(tune(some, sources, strategy, given, coverage, seed, told).report))
        report = replace(report, curve=tuple(sorted(points, key=lambda point: point.queries)))
    return model.with_report(report)


def _share(progress: Progress | None, number: int, of: int) -> Progress | None:
    """Progress of one of several tunings, in percent of each: they may take other steps."""
    if progress is None or of == 1:
        return progress
    return lambda done, total: progress(100 * number + 100 * done // total, 100 * of)


def _point(report: Report) -> CurvePoint:
    change = report.overall["ndcg@10"]
    return CurvePoint(
        report.overall.queries, change.difference, change.lower, change.upper,
        report.verdict.decision,
    )  # fmt: skip


def _overlap(data: TrainingData, texts: Sequence[str] | None) -> float | None:
    """Words that questions share with their chunks, over the first `COMPARED` questions."""
    if texts is None or data.query_texts is None:
        return None
    offsets, rows, _ = data.csr
    count = min(COMPARED, len(data.queries))
    own = [[texts[row] for row in rows[offsets[q] : offsets[q + 1]]] for q in range(count)]
    return shared_words(data.query_texts[:count], own, data.language)


def tune(
    data: TrainingData,
    sources: Sources,
    strategy: str,
    hyperparameters: Mapping[str, Any],
    coverage: float,
    seed: int,
    progress: Progress | None,
) -> Model:
    """`fit` on checked data, over sources wherever they live."""
    learners = learners_of(strategy, data, hyperparameters)
    fuses = strategy in ("auto", "fusion")
    seen_folds, unseen_folds = query_folds(data, seed), document_folds(data, seed)
    if not seen_folds and not unseen_folds:
        raise ValueError(
            "qrels: expected at least two queries with a relevant row, so that one can be judged "
            f"by what the other taught, got {len(data.queries)}"
        )
    folds = max(len(seen_folds), len(unseen_folds))
    both = len(seen_folds) + len(unseen_folds)
    kernels = fuses * sum(learner.strategy.name == KernelRidge.name for learner in learners)
    count = both * (len(learners) + kernels) + 1 + fuses * (folds + 2) * (1 + kernels)
    count += (strategy == "nudge") * (both + 1)
    tick = _Ticker(progress, count)
    tried = Tried.all(data, learners, (seen_folds, unseen_folds), tick)
    adapters = Adapters.chosen(data, tried, coverage, seed)
    tick()
    if strategy == "nudge":
        return _with_overlay(data, sources, adapters, (seen_folds, unseen_folds), tick)
    if not fuses:
        chances = adapters.calibration(data)
        return Model(adapters.adapter, adapters.report, sources=sources, calibration=chances)
    own, table, stacked = fuse(data, sources, (tried, adapters), coverage, seed, tick)
    tick.finish()
    report = fusion_report(data, sources, (table, stacked), own, coverage, seed)
    full = FullModel(stacked.fusion, stacked.baseline, own.adapter, lesson=own.lesson(data))
    if stacked.fusion.seen is not None:
        questions = stored_questions(data)
        full = replace(full, questions=questions, memory=questions.memory())
    return Model(
        adapters.adapter,
        adapters.report,
        full=full,
        full_report=report,
        sources=sources,
    )


class _Ticker:
    """Counts steps and tells progress."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self._progress, self._total, self._done = progress, total, 0

    def __call__(self) -> None:
        self._done += 1
        if self._progress:
            self._progress(self._done, self._total)

    def finish(self) -> None:
        """Steps that were not needed count as done."""
        while self._done < self._total:
            self()


def _with_overlay(
    data: TrainingData,
    sources: Sources,
    adapters: Adapters,
    folds: tuple[list[Fold], list[Fold]],
    tick: Callable[[], None],
) -> Model:
    """A model whose documents moved, if that was promoted; queries stay as they are."""
    frozen = adapters.report
    overlay, report = judge(data, folds, frozen.coverage, frozen.seed, tick)
    if report.verdict.decision == "promote":
        sources = replace(sources, vectors=Matrix(overlay.over(data.corpus)))
    return Model(adapters.adapter, frozen, sources=sources, full_report=report, overlay=overlay)
