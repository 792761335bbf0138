"""Choose a query adapter among all that the strategies offer, and judge the choice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ragtune import _core, crossfit, gate, strategies
from ragtune.arrays import unit_rows
from ragtune.calibration import Calibration
from ragtune.crossfit import Outcome, honest_choice, ranks_of
from ragtune.folds import Fold
from ragtune.judged_table import Judging
from ragtune.learners import Learner, Tried
from ragtune.lesson import Lesson, kernel_of
from ragtune.report import Judged, Report, compare, query_changes
from ragtune.strategies.kernel_ridge import KernelRidge
from ragtune.strategies.ridge import Ridge, targets
from ragtune.training_data import TrainingData

RANKED = 10  # chunks of each held-out question that chances are drawn from


@dataclass(frozen=True, slots=True)
class Adapters:
    """The chosen query adapter, its report, and its out-of-fold vectors.

    `shuffled` are the vectors of both slices (judged, d) under adapters that learned from answers
    dealt anew.
    """

    adapter: Any
    report: Report
    seen: Judging
    unseen: Judging
    shuffled: tuple[NDArray[np.float32], NDArray[np.float32]]

    def lesson(self, data: TrainingData) -> Lesson | None:
        """What the adapter was taught, if it is one that can tell: sentences taught no part."""
        chosen = self.report.hyperparameters
        if self.report.strategy not in (Ridge.name, KernelRidge.name) or chosen.get("sentences"):
            return None
        shifts = targets(data, float(chosen["contrast"])) - data.queries
        penalty, alpha = float(chosen["penalty"]), float(chosen["alpha"])
        kernel = kernel_of(self.adapter, float(chosen.get("linear", 0.0)))
        return Lesson(data.queries, shifts, data.asked, data.query_texts, penalty, alpha, kernel)

    def calibration(self, data: TrainingData) -> Calibration | None:
        """The chance that a chunk is relevant, by the cosine of what would serve; held out."""
        serves = self.report.verdict.decision == "promote"
        coverage = self.report.coverage
        slices = (self.seen, coverage), (self.unseen, 1 - coverage)
        scores, relevant, weights = [], [], []
        for part, weight in slices:
            if not len(part.queries):
                continue
            used = part.adapted if serves and part.adapted is not None else None
            vectors = np.ascontiguousarray(data.queries[part.queries]) if used is None else used
            found = _core.exact_search(data.corpus, vectors, k=min(RANKED, len(data.corpus)))
            pairs = np.sort(data.pair_query * len(data.corpus) + data.pair_row)
            asked = part.queries[:, None] * len(data.corpus) + found[1]
            at = np.minimum(np.searchsorted(pairs, asked), len(pairs) - 1)
            scores.append(found[0].ravel())
            relevant.append((pairs[at] == asked).ravel())
            weights.append(np.full(found[0].size, max(weight, 1e-6) / len(part.queries)))
        return Calibration.fitted(*(np.concatenate(own) for own in (scores, relevant, weights)))

    def controls(self, data: TrainingData) -> list[tuple[Judging, list[TrainingData]]]:
        """Both slices under adapters that learned from shuffled answers, and those answers.

        Which chunks have questions at all is knowledge, too; see `_control_vectors`.
        """
        out = []
        for part, vectors in zip((self.seen, self.unseen), self.shuffled, strict=True):
            own = None if part.adapted is None else vectors
            out.append((replace(part, adapted=own), _dealt(data, part.folds, self.report.seed)))
        return out

    @classmethod
    def chosen(cls, data: TrainingData, tried: Tried, coverage: float, seed: int) -> Adapters:
        """Judge the honest choice among what was tried, and train the best on everything."""
        learners, (seen, unseen) = tried.learners, tried.slices
        choices = _choices(seen, unseen, coverage)
        judged, control, shuffled = zip(
            *(
                _judged(data, learners, outcome, choice, seed)
                for outcome, choice in zip((seen, unseen), choices, strict=True)
            ),
            strict=True,
        )
        slices = compare(*judged, coverage=coverage, seed=seed)
        beyond_control = compare(*control, coverage=coverage, seed=seed)[2]
        best = crossfit.best(
            seen.objective if seen else None, unseen.objective if unseen else None, coverage
        )
        name, chosen, adapter = _final(data, learners, best)
        report = Report(
            *slices,
            coverage=coverage,
            verdict=gate.judge(slices[2], slices[1], beyond_control),
            control=beyond_control,
            strategy=name,
            hyperparameters=chosen,
            seed=seed,
            queries=query_changes(judged[0], judged[1], data.asked, data.query_texts),
        )
        used = bool(best)
        return cls(
            adapter,
            report,
            _judging(data, seen, choices[0], used),
            _judging(data, unseen, choices[1], used),
            shuffled,
        )


def _choices(
    seen: Outcome | None, unseen: Outcome | None, coverage: float
) -> list[NDArray[np.int64] | None]:
    return [
        None if own is None else honest_choice(own, other, is_seen=own is seen, coverage=coverage)
        for own, other in ((seen, unseen), (unseen, seen))
    ]


def _judging(
    data: TrainingData, outcome: Outcome | None, choice: NDArray[np.int64] | None, used: bool
) -> Judging:
    """Out-of-fold vectors for the fusion; none if no adapter is used."""
    if outcome is None or choice is None:
        none = np.empty(0, dtype=np.int64)
        empty = np.empty((0, data.queries.shape[1]), dtype=np.float32)
        return Judging(none, none, [], empty if used else None)
    vectors = outcome.vectors(data.queries, choice) if used else None
    return Judging(outcome.queries, outcome.fold, outcome.folds, vectors)


def _judged(
    data: TrainingData,
    learners: Sequence[Learner],
    outcome: Outcome | None,
    choice: NDArray[np.int64] | None,
    seed: int,
) -> tuple[Judged | None, Judged | None, NDArray[np.float32]]:
    """The learned adapter against the frozen embeddings and against its negative control.

    Also the vectors of that control.
    """
    if outcome is None or choice is None:
        return None, None, data.queries[:0]
    after = outcome.scores(choice)
    dealt = _dealt(data, outcome.folds, seed)
    vectors = _control_vectors(data, learners, outcome, choice, dealt)
    control = ranks_of(data, outcome, vectors)
    who = data.query_groups[outcome.queries], outcome.queries
    return Judged(outcome.scores(), after, *who), Judged(control, after, *who), vectors


def _dealt(data: TrainingData, folds: Sequence[Fold], seed: int) -> list[TrainingData]:
    """What each fold trains on, with answers dealt anew."""
    random = np.random.default_rng(seed)
    return [data.only(fold.train).dealt_anew(random) for fold in folds]


def _control_vectors(
    data: TrainingData,
    learners: Sequence[Learner],
    part: Outcome,
    choice: NDArray[np.int64],
    dealt: Sequence[TrainingData],
) -> NDArray[np.float32]:
    """What the same adapters make of the queries when their training answers are shuffled.

    Which chunks have questions at all is knowledge, too: an adapter can gain by leaning
    towards them without having understood any question. The negative control keeps that
    knowledge and destroys the rest. Ojala & Garriga 2010, JMLR 11:1833.
    """
    queries = np.ascontiguousarray(data.queries[part.queries])
    vectors = queries.copy()
    for f, shuffled in enumerate(dealt):
        inside = part.fold == f
        candidate = int(choice[inside][0])
        if candidate == 0:
            continue
        learner, setting, alpha = _candidate(learners, candidate)
        grid = {name: (value,) for name, value in setting.items()}
        own = np.ascontiguousarray(queries[inside])
        adapted = strategies.adapted(learner.strategy, shuffled, own, grid)[0]
        vectors[inside] = unit_rows(own + np.float32(alpha) * (adapted - own))
    return vectors


def _candidate(
    learners: Sequence[Learner], candidate: int
) -> tuple[Learner, dict[str, Any], float]:
    """Learner, hyperparameters and alpha of a candidate above 0."""
    number, alpha = divmod(candidate - 1, len(learners[0].alphas))
    for learner in learners:
        settings = learner.settings()
        if number < len(settings):
            break
        number -= len(settings)
    return learner, settings[number], learners[0].alphas[alpha]


def _final(
    data: TrainingData, learners: Sequence[Learner], candidate: int
) -> tuple[str, dict[str, Any], Any]:
    """Strategy, hyperparameters and adapter of a candidate, trained on all of `data`."""
    if candidate == 0:
        return "identity", {}, _core.Adapter.identity(data.corpus.shape[1])
    learner, setting, alpha = _candidate(learners, candidate)
    adapter = strategies.as_adapter(
        learner.strategy.train(data, setting, None, None), data.corpus.shape[1]
    )
    return learner.strategy.name, setting | {"alpha": alpha}, _shrunk(adapter, alpha)


def _shrunk(adapter: Any, alpha: float) -> Any:
    """The adapter, so far from the identity as alpha says."""
    if alpha == 1:
        return adapter
    if not isinstance(adapter, _core.Adapter):
        raise ValueError(
            f"hyperparameters['alpha']: expected 1 for what has no matrix, got {alpha}"
        )
    return adapter.shrunk(alpha)
