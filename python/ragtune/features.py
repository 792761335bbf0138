"""Numbers that experts weigh: of each candidate, and of each question as a whole.

Scores of a leg mean nothing across questions, so each is brought to mean 0 and deviation 1 over
the candidates of its question. Likeness to a stored question does mean the same everywhere. The
formulas stand in src/features.hpp.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ragtune import _core
from ragtune.legs import Legs, threads

Floats = NDArray[np.float32]

LEGS = (
    "dense", "adapted", "words", "coordination", "phrases", "characters", "part", "adapted_part",
    "adapted_part_mean",
)  # fmt: skip


def standardized(scores: Floats, mask: NDArray[np.bool_]) -> Floats:
    """Mean 0 and deviation 1 over each question's candidates, 0 elsewhere; (nq, c)."""
    return _core.standardized([_floats(scores)], mask).reshape(mask.shape)


def names_of(legs: Legs) -> tuple[str, ...]:
    """The legs that there are, in a fixed order."""
    return tuple(name for name in LEGS if name in legs.scores)


def of_legs(legs: Legs, names: tuple[str, ...]) -> Floats:
    """Standardised scores (nq, c, f) of the legs by name; a leg that is missing says nothing."""
    mask, many = legs.mask, threads(len(legs.rows))
    values = _core.standardized(scores_of(legs, names), mask, num_threads=many)
    return values.reshape(*mask.shape, len(names))


def scores_of(legs: Legs, names: tuple[str, ...]) -> list[Floats]:
    """What each leg says, (nq, c) each; nothing where one is missing."""
    nothing = np.zeros(legs.rows.shape, dtype=np.float32)
    return [_floats(legs.scores.get(name, nothing)) for name in names]


def of_candidates(legs: Legs) -> tuple[Floats, Floats, Floats]:
    """Likeness to stored questions, what words say (else likeness again), and dense scores."""
    memory = _floats(legs.scores["memory"])
    words = legs.scores.get("words")
    said = np.nan_to_num(memory) if words is None else _floats(words)
    return memory, said, _floats(legs.scores["dense"])


@dataclass(frozen=True, slots=True)
class Line:
    """What likeness to expect of a chunk from its dense score: intercept and slope."""

    intercept: float
    slope: float

    @classmethod
    def fitted(cls, legs: Legs) -> Line:
        """By least squares over the candidates that have stored questions."""
        known = legs.mask & ~np.isnan(legs.scores["memory"])
        x, y = legs.scores["dense"][known], legs.scores["memory"][known]
        if len(x) < 2 or np.ptp(x) < 1e-6:
            return cls(float(y.mean()) if len(y) else 0.0, 0.0)
        slope = float(np.cov(x, y)[0, 1] / x.var(ddof=1))
        return cls(float(y.mean() - slope * x.mean()), slope)


def likeness(legs: Legs, line: Line) -> Floats:
    """Likeness of each candidate, where it has no question the one to expect; -1 for padding.

    For whoever judges whether a document is seen: that a chunk has questions may not be told by
    the number itself. In training the relevant chunk of an unseen document never has any while
    most others do, and that would be learned.
    """
    expected = line.intercept + line.slope * legs.scores["dense"]
    known = np.where(np.isnan(legs.scores["memory"]), expected, legs.scores["memory"])
    return np.where(legs.mask, known, -1).astype(np.float32)


def of_memory(legs: Legs) -> Floats:
    """What the expert for seen documents weighs beside the legs, (nq, c, f).

    It takes for granted that the document has questions: one without is like none, 0.
    """
    mask, many = legs.mask, threads(len(legs.rows))
    memory, words, _ = of_candidates(legs)
    values = _core.memory_features(memory, words, mask, num_threads=many)
    return values.reshape(*mask.shape, _core.MEMORY_FEATURES)


def of_questions(
    memory: Floats,
    base: NDArray[np.floating],
    p_seen: NDArray[np.float64],
    p_base: NDArray[np.float64],
) -> NDArray[np.float64]:
    """What tells whether a question is like the stored ones, (nq, f).

    Args:
        memory: Likeness of each candidate (nq, c), -1 for padding.
        base: Scores (nq, c) without memory, -inf for padding.
        p_seen: What the expert with memory gives each candidate (nq, c), 0 for padding.
        p_base: What the one without gives it, likewise.
    """
    own = np.ascontiguousarray(base, dtype=np.float64)
    many = threads(len(memory))
    return _core.question_features(_floats(memory), own, p_seen, p_base, num_threads=many)


def _floats(scores: NDArray[np.floating]) -> Floats:
    return np.ascontiguousarray(scores, dtype=np.float32)
