"""Numbers that experts weigh: of each candidate, and of each question as a whole.

Scores of a leg mean nothing across questions, so each is brought to mean 0 and deviation 1 over
the candidates of its question. Likeness to a stored question does mean the same everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ragtune.legs import Legs

Floats = NDArray[np.float32]

LEGS = ("dense", "adapted", "words", "phrases", "characters", "part", "adapted_part")
HINGES = (0.6, 0.75, 0.9)  # likenesses from which one more slope counts
SCALE = 4.0  # brings likenesses, which differ by tenths, to the size of the others


def standardized(scores: Floats, mask: NDArray[np.bool_]) -> Floats:
    """Mean 0 and deviation 1 over each question's candidates, 0 elsewhere; (nq, c)."""
    count = np.maximum(mask.sum(axis=1, keepdims=True), 1)
    inside = np.where(mask, scores, 0)
    mean = inside.sum(axis=1, keepdims=True) / count
    centred = np.where(mask, inside - mean, 0)
    deviation = np.sqrt((centred * centred).sum(axis=1, keepdims=True) / count)
    return np.asarray(centred / (deviation + 1e-6), dtype=np.float32)


def names_of(legs: Legs) -> tuple[str, ...]:
    """The legs that there are, in a fixed order."""
    return tuple(name for name in LEGS if name in legs.scores)


def of_legs(legs: Legs, names: tuple[str, ...]) -> Floats:
    """Standardised scores (nq, c, f) of the legs by name; a leg that is missing says nothing."""
    nothing = np.zeros(legs.rows.shape, dtype=np.float32)
    columns = [
        standardized(legs.scores[name], legs.mask) if name in legs.scores else nothing
        for name in names
    ]
    return np.stack(columns, axis=-1)


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
    memory = np.where(legs.mask, np.nan_to_num(legs.scores["memory"], nan=0.0), -1)
    ordered = np.sort(memory, axis=1)
    best = ordered[:, -1:]
    second = ordered[:, -2:-1] if memory.shape[1] > 1 else best
    words = legs.scores.get("words")
    columns = [
        *(SCALE * np.maximum(memory - hinge, 0) for hinge in HINGES),
        standardized(memory, legs.mask),
        SCALE * np.where(memory >= best, best - second, 0),
        SCALE * (memory - best),
        memory * standardized(words if words is not None else memory, legs.mask),
    ]
    inside = legs.mask[..., None]
    return np.where(inside, np.stack(columns, axis=-1), 0).astype(np.float32)


def of_questions(memory: Floats, base: Floats) -> NDArray[np.float64]:
    """What tells whether a question is like the stored ones, (nq, f).

    Args:
        memory: Likeness of each candidate (nq, c), -1 for padding.
        base: Scores (nq, c) without memory, -inf for padding.
    """
    each, top = np.arange(len(memory)), memory.argmax(axis=1)
    ordered, ranked = np.sort(memory, axis=1), np.sort(base, axis=1)
    best = ordered[:, -1]
    lead = best - (ordered[:, -2] if memory.shape[1] > 1 else best)
    own = base[each, top]
    highest = np.where(np.isfinite(ranked[:, -1]), ranked[:, -1], 0)
    gap = np.maximum(own - highest, -50)
    second = ranked[:, -2] if base.shape[1] > 1 else ranked[:, -1]
    columns = [
        best,
        np.maximum(best - 0.6, 0),
        np.maximum(best - 0.8, 0),
        lead,
        gap,
        1 / (1 + (base > own[:, None]).sum(axis=1)),
        best * (gap >= 0),
        np.minimum(highest - np.where(np.isfinite(second), second, highest), 50),
        memory[each, base.argmax(axis=1)],
        best * gap,
    ]
    return np.stack(columns, axis=1).astype(np.float64)
