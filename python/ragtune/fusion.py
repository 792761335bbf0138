"""Rank candidates by all legs at once: experts, and whom to trust.

Two experts order the candidates of a question by a softmax over weighted features. One knows no
stored questions and was fitted on both slices or on unseen documents; the other also weighs the
likeness to stored questions and was fitted where the documents are seen. How far to trust the
second is a logistic function of the question as a whole: its likeness to stored ones, how far the
experts agree, and how sure each is. The result is a mixture of two distributions,
P = g P_seen + (1 - g) P_base. What it gains by merely knowing which chunks have questions, it gains
with shuffled answers, too, and it is promoted only for more than that. Jacobs et al. 1991,
doi:10.1162/neco.1991.3.1.79.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ragtune import _core, features
from ragtune.calibration import Calibration
from ragtune.features import Floats, Line
from ragtune.legs import Legs, threads

Weights = NDArray[np.float64]

SHRINKAGE = 2.0  # pseudo-questions that speak for the fixed mix
TRUST_PENALTY = 3e-3
LEAST_FACTOR = 1e-2  # of a fixed mix: its order never turns round


@dataclass(frozen=True, slots=True)
class Examples:
    """Judged candidates: legs, grades (nq, c) with -1 for padding, weights (nq,)."""

    legs: Legs
    grades: Floats
    weights: Floats


@dataclass(frozen=True, slots=True)
class Trust:
    """P(the question is like the stored ones): a logistic function of `of_questions`.

    Shapes: mean, deviation (f,); weights (f + 1,), the last one the constant.
    """

    mean: Weights
    deviation: Weights
    weights: Weights

    @classmethod
    def fitted(cls, inputs: Weights, is_seen: Weights, importance: Weights) -> Trust:
        """By Newton's method; inputs (nq, f), is_seen (nq,) in {0, 1}, importance (nq,)."""
        mean, deviation = inputs.mean(axis=0), inputs.std(axis=0) + 1e-9
        x = np.column_stack([(inputs - mean) / deviation, np.ones(len(inputs))])
        share, penalty = importance / importance.sum(), np.full(x.shape[1], TRUST_PENALTY)
        weights = np.zeros(x.shape[1])
        for _ in range(30):
            p = _logistic(x @ weights)
            gradient = x.T @ (share * (p - is_seen)) + penalty * weights
            hessian = (x.T * (share * p * (1 - p))) @ x + np.diag(penalty)
            step = np.linalg.solve(hessian, gradient)
            weights = weights - step
            if np.abs(step).max() < 1e-9:
                break
        return cls(mean, deviation, weights)

    def __call__(self, inputs: Weights, shift: float) -> Weights:
        """Probabilities (nq,); a `shift` below 0 is more careful."""
        x = (inputs - self.mean) / self.deviation
        return _logistic(x @ self.weights[:-1] + self.weights[-1] + shift)


@dataclass(frozen=True, slots=True)
class SeenExpert:
    """The expert with memory: its weights, the line of expected likeness, and its trust."""

    base: Weights
    weights: Weights
    line: Line
    trust: Trust
    shift: float = 0.0


@dataclass(frozen=True, slots=True)
class Fusion:
    """Weights (f,) of the legs by name, the expert with memory if there is one, and the chances.

    `calibration` turns a probability among candidates into the chance of being relevant.
    """

    names: tuple[str, ...]
    weights: Weights
    seen: SeenExpert | None = None
    calibration: Calibration | None = None

    def probabilities(self, legs: Legs) -> Floats:
        """P(relevant | one candidate is) of each candidate (nq, c), 0 for padding."""
        if self.seen is None:
            values = features.of_legs(legs, self.names)
            return softmax(values @ self.weights, legs.mask).astype(np.float32)
        return self._mixed(legs, self.seen)[0]

    def trust(self, legs: Legs) -> Weights:
        """How far each question (nq,) is left to the expert with stored questions, in [0, 1]."""
        if self.seen is None:
            return np.zeros(len(legs.rows))
        return self._mixed(legs, self.seen)[1]

    def _mixed(self, legs: Legs, expert: SeenExpert) -> tuple[Floats, Weights]:
        """Probabilities (nq, c) and trust (nq,); see src/mixture.hpp."""
        memory, words, dense = features.of_candidates(legs)
        trust = expert.trust
        return _core.mixed(
            features.scores_of(legs, self.names),
            memory,
            words,
            dense,
            legs.mask,
            base=expert.base,
            seen=expert.weights,
            line=(expert.line.intercept, expert.line.slope),
            mean=trust.mean,
            deviation=trust.deviation,
            trust=trust.weights,
            shift=expert.shift,
            num_threads=threads(len(legs.rows)),
        )


def softmax(scores: NDArray[np.floating], mask: NDArray[np.bool_]) -> Weights:
    """Over each question's candidates; 0 for padding, (nq, c)."""
    own = np.ascontiguousarray(scores, dtype=np.float64)
    return _core.softmax(own, mask, num_threads=threads(len(own)))


def fixed_mix(names: tuple[str, ...], share: float) -> Weights:
    """Weights that mix words (`share`) with frozen vectors (the rest) and nothing else."""
    weights = {"dense": 1 - share, "words": share}
    return np.array([weights.get(name, 0.0) for name in names])


def fit_weights(
    values: Floats,
    examples: Examples,
    prior: Weights,
    *,
    initial: Weights | None = None,
) -> Weights:
    """Weights (f,) of the features (nq, c, f), drawn towards the prior while questions are few."""
    active = max(int((examples.weights > 0).sum()), 1)
    flat = np.ascontiguousarray(values.reshape(-1, values.shape[-1]))
    penalty = SHRINKAGE / active
    return _core.fit_fusion(
        flat, examples.grades, examples.weights, prior, penalty=penalty, initial=initial
    )[0]


def sharpened(values: Floats, examples: Examples, mix: Weights) -> Weights:
    """The mix times the factor under which its softmax fits best: how sure it may be.

    Answers that are all wrong would turn the order round; the mix is to be safe from them, too.
    """
    scores = np.ascontiguousarray((values @ mix).astype(np.float32)[..., None])
    return mix * max(float(fit_weights(scores, examples, np.ones(1))[0]), LEAST_FACTOR)


def _logistic(x: Weights) -> Weights:
    return 1 / (1 + np.exp(-np.clip(x, -500, 500)))
