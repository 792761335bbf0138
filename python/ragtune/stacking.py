"""Learn how to combine legs from out-of-fold candidates, and judge each way of doing it.

The ways stand on a ladder: the best fixed mix of frozen vectors and words, then learned weights of
all legs, then the expert with stored questions, trusted more and more. Every figure is of
questions that the weights were not fitted on, over legs that did not learn from them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ragtune import features
from ragtune.calibration import Calibration
from ragtune.crossfit import weighted_means
from ragtune.evaluation import METRICS, Scores
from ragtune.features import Floats
from ragtune.folds import FOLDS
from ragtune.fusion import (
    Examples,
    Fusion,
    SeenExpert,
    Trust,
    Weights,
    fit_weights,
    fixed_mix,
    sharpened,
    softmax,
)
from ragtune.judged_table import Judging, Table, tabulate
from ragtune.legs import Legs, Sources
from ragtune.ranking import scores_from_ranks
from ragtune.training_data import TrainingData

SHIFTS = tuple(-step / 4 for step in range(2, 21))  # of the trust in stored questions, in log odds
TOLERANCE = 0.0025  # nDCG@10 that unseen documents may lose to a simpler step: noise
LADDER = 2 + len(SHIFTS)
LEAST = 1e-9  # probability, weight or gain


def climb(
    table: Table, train: NDArray[np.bool_], start: Sequence[Fusion] | None = None
) -> list[Fusion]:
    """Fit every step of the ladder on some of the questions (N,); `start` from an earlier fit."""
    weights = np.where(train, table.importance, 0).astype(np.float32)
    examples = replace(table.examples, weights=weights)
    mix = _best_mix(table, examples)
    fused = _weights(table, examples, mix, start[1].weights if start else None)
    steps = [Fusion(table.names, mix), Fusion(table.names, fused)]
    if "memory" not in examples.legs.scores:
        return steps
    expert = _seen_expert(table, examples, mix, start[-1].seen if start else None)
    if expert is None:
        return steps
    return steps + [Fusion(table.names, fused, replace(expert, shift=shift)) for shift in SHIFTS]


def _weights(table: Table, examples: Examples, prior: Weights, initial: Weights | None) -> Weights:
    return fit_weights(table.values, examples, prior, initial=initial)


def _best_mix(table: Table, examples: Examples) -> Weights:
    """The likeliest mix of frozen vectors and words, or one of these alone; sharpened.

    One alone must rank better by more than one standard error: a few questions easily say so of
    the wrong one, and the mix is rarely far from the better of the two.
    """
    frozen = fixed_mix(table.names, 0.0)
    if "words" not in table.names:
        return sharpened(table.values, examples, frozen)
    pair = [table.names.index(name) for name in ("dense", "words")]
    two = np.ascontiguousarray(table.values[..., pair])
    dense, words = np.maximum(fit_weights(two, examples, np.ones(2)), 0)
    share = words / (dense + words) if dense + words > 0 else 0.5
    mixes = [fixed_mix(table.names, s) for s in (share, 0.0, 1.0)]
    mixed, *alone = (table.objective(table.values @ mix) for mix in mixes)
    surplus = [0.0]
    for own in alone:
        gain, error = _mean_and_error(table, own - mixed, examples.weights)
        surplus.append(gain if gain > error else -np.inf)
    return sharpened(table.values, examples, mixes[int(np.argmax(surplus))])


def _mean_and_error(
    table: Table, values: Weights, weights: NDArray[np.floating]
) -> tuple[float, float]:
    """Weighted mean of values (N,) and its standard error; a question may be in both slices."""
    share = weights / max(weights.sum(), LEAST)
    mean = float(share @ values)
    return mean, float(np.linalg.norm(np.bincount(table.queries, share * (values - mean))))


def _seen_expert(
    table: Table, examples: Examples, prior: Weights, start: SeenExpert | None
) -> SeenExpert | None:
    """The expert with memory; None unless there are questions of both kinds to learn from.

    The one without memory, which is to answer what trust does not reach, learns from unseen
    documents first, and then also from questions of seen ones, each by the probability that it
    and not the other found the answer: one step of expectation maximisation.
    """
    legs, weights, is_seen = examples.legs, examples.weights, table.is_seen
    seen, unseen = (np.where(side, weights, 0) for side in (is_seen, ~is_seen))
    if not seen.any() or not unseen.any():
        return None
    both = np.concatenate([table.values, features.of_memory(legs)], axis=-1)
    longer = np.concatenate([prior, np.zeros(both.shape[-1] - len(prior))])
    own = replace(examples, weights=seen)
    fitted = fit_weights(both, own, longer, initial=start.weights if start else None)
    line = features.Line.fitted(_rows_of(legs, seen > 0))
    memory, used = features.likeness(legs, line), weights > 0
    p_seen = softmax(both @ fitted, legs.mask)

    def trust_beside(scores: Weights, p_base: Weights) -> tuple[Trust, Weights]:
        masked = np.where(legs.mask, scores, -np.inf)
        inputs = features.of_questions(memory, masked, p_seen, p_base)
        told = is_seen[used].astype(float), weights[used].astype(np.float64)
        trust = Trust.fitted(inputs[used], *told)
        return trust, trust(inputs, 0.0)

    base = _weights(table, replace(examples, weights=unseen), prior, start.base if start else None)
    scores = table.values @ base
    p_base = softmax(scores, legs.mask)
    trusted = trust_beside(scores, p_base)[1]
    by_memory = trusted * _found(examples, p_seen)
    by_base = (1 - trusted) * _found(examples, p_base)
    share = by_base / np.maximum(by_memory + by_base, LEAST)
    wider = replace(examples, weights=(unseen + seen * share).astype(np.float32))
    base = _weights(table, wider, prior, base)
    scores = table.values @ base
    trust = trust_beside(scores, softmax(scores, legs.mask))[0]
    return SeenExpert(base, fitted, line, trust)


def _found(examples: Examples, chances: Weights) -> Weights:
    """Probability of a relevant candidate, of those of each candidate (N, c), (N,)."""
    found: Weights = np.where(examples.grades > 0, chances, 0).sum(axis=1)
    return found


def _rows_of(legs: Legs, which: NDArray[np.bool_]) -> Legs:
    return Legs(legs.rows[which], {name: s[which] for name, s in legs.scores.items()})


def choose(seen: Weights | None, unseen: Weights | None, coverage: float) -> int:
    """The best step of the ladder by the weighted mean; arrays are (steps, questions).

    On unseen documents learned weights may lose `TOLERANCE` to the fixed mix, and the expert with
    memory as much to the better of these; of what the best step gains there it must keep half, for
    trust in stored questions is what seen documents gain by.
    """
    value = weighted_means(seen, unseen, coverage)
    if value is None:
        return 0
    if unseen is not None and unseen.shape[1]:
        mean = unseen.mean(axis=1)
        least = np.full(len(mean), mean[0] - TOLERANCE)
        most = mean.max()
        least[2:] = max(mean[:2].max() - TOLERANCE, most - max(TOLERANCE, (most - mean[0]) / 2))
        value = np.where(mean < least, -np.inf, value)
    return int(np.argmax(value))


@dataclass(frozen=True, slots=True)
class Stacked:
    """The chosen way, fitted on all questions, and out-of-fold metrics of each (N,).

    `typical` is the mean of the objective (N,) over the steps of the last kind that there are.
    """

    fusion: Fusion
    baseline: Fusion
    step: int
    typical: Weights
    frozen: Scores
    before: Scores
    after: Scores


def stack(table: Table, coverage: float, tick: Callable[[], None]) -> Stacked:
    """Fit and judge the ladder; each question under the step that other folds prefer."""
    everyone = np.ones(len(table.queries), dtype=bool)
    final = climb(table, everyone)
    tick()
    shape = table.examples.legs.rows.shape
    scores = np.zeros((len(final), *shape), dtype=np.float32)
    for inside, outside in _parts(table):
        steps = climb(table, outside, final) if outside.any() else final[:1]
        legs = _rows_of(table.examples.legs, inside)
        for number in range(len(final)):
            way = steps[min(number, len(steps) - 1)]
            scores[number, inside] = way.probabilities(legs)
        tick()
    objective = np.stack([table.objective(own) for own in scores])
    choice = np.zeros(len(table.queries), dtype=np.int64)
    for inside, outside in _parts(table):
        choice[inside] = _choice(table, objective, outside, coverage)
    picked = scores[choice, np.arange(len(choice))]
    step = _choice(table, objective, everyone, coverage)
    return Stacked(
        replace(final[step], calibration=_chances(table, picked)),
        replace(final[0], calibration=_chances(table, scores[0])),
        step,
        objective[min(2, len(final) - 1) :].mean(axis=0),
        _metrics(table, table.examples.legs.scores["dense"]),
        _metrics(table, scores[0]),
        _metrics(table, picked),
    )


def bolder(
    table: Table, plain: Stacked, bold: Stacked, coverage: float
) -> tuple[bool, NDArray[np.bool_]]:
    """Whether `bold` is worth being served, and for which questions (N,) the others say so.

    It must gain over `plain`, and may lose no more than noise on unseen documents: not at the step
    that each is to serve at, of which a few questions decide, but over all of these steps.
    """
    difference = bold.typical - plain.typical

    def gains(which: NDArray[np.bool_]) -> bool:
        seen, unseen = (difference[None, which & side] for side in (table.is_seen, ~table.is_seen))
        gain = weighted_means(seen, unseen, coverage)
        loses = unseen.size and unseen.mean() < -TOLERANCE
        return gain is not None and bool(gain[0] > LEAST) and not loses

    says = np.zeros(len(table.queries), dtype=bool)
    for inside, outside in _parts(table):
        says[inside] = gains(outside)
    return gains(np.ones_like(says)), says


def _chances(table: Table, scores: Floats) -> Calibration | None:
    """What a held-out score says of its candidate."""
    mask, weights = table.examples.legs.mask, table.importance[:, None]
    return Calibration.fitted(
        scores[mask], table.examples.grades[mask] > 0, np.broadcast_to(weights, mask.shape)[mask]
    )


def _parts(table: Table) -> list[tuple[NDArray[np.bool_], NDArray[np.bool_]]]:
    """For each fold the entries (N,) to judge, and those of no question that is judged there."""
    folds = [table.fold == f for f in range(FOLDS)]
    return [
        (inside, ~np.isin(table.queries, table.queries[inside])) for inside in folds if inside.any()
    ]


def control_scores(
    data: TrainingData,
    sources: Sources,
    judged: tuple[Table, Stacked],
    controls: Sequence[tuple[Judging, Sequence[TrainingData]]],
) -> Scores:
    """What the chosen step is worth when all that it learned from was shuffled answers.

    The adapters, the stored questions and the weights: what they gain nonetheless, they gain by
    knowing which chunks have questions.
    """
    table, stacked = judged
    shuffled = data.dealt_anew(np.random.default_rng(len(data.queries)))
    slices = [replace(part, trained=dealt) for part, dealt in controls]
    with_memory = "memory" in table.examples.legs.scores
    wrong = tabulate(shuffled, sources, slices, 0.5, with_memory=with_memory)
    wrong = replace(wrong, importance=table.importance)
    scores = np.zeros(wrong.examples.legs.rows.shape, dtype=np.float32)
    for inside, outside in _parts(wrong):
        steps = climb(wrong, outside)
        way = steps[min(stacked.step, len(steps) - 1)]
        scores[inside] = way.probabilities(_rows_of(wrong.examples.legs, inside))
    return _metrics(wrong.under(table.csr), scores)


def _choice(table: Table, objective: Weights, which: NDArray[np.bool_], coverage: float) -> int:
    return choose(
        objective[:, which & table.is_seen], objective[:, which & ~table.is_seen], coverage
    )


def _metrics(table: Table, scores: Floats) -> Scores:
    ranks = table.ranks(scores)
    return {metric: scores_from_ranks(ranks[None], table.csr, metric)[0] for metric in METRICS}
