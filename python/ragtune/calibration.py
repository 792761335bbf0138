"""From a score to the chance that its chunk is relevant.

Fitted on held-out questions: every score comes from a model that did not learn from the question.
What nobody judged counts as not relevant, so the chance is rather too low than too high.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ragtune import _core

LEAST = 20  # relevant candidates, without which no curve is drawn


@dataclass(frozen=True, slots=True)
class Calibration:
    """A function that never falls, as knots x and y (k,); between them it is linear."""

    x: NDArray[np.float64]
    y: NDArray[np.float64]

    @classmethod
    def fitted(
        cls,
        scores: NDArray[np.floating],
        relevant: NDArray[np.bool_],
        weights: NDArray[np.floating],
    ) -> Calibration | None:
        """From held-out candidates (m,); None if fewer than `LEAST` of them are relevant."""
        if int((relevant & (weights > 0)).sum()) < LEAST:
            return None
        x, y, w = (
            np.ascontiguousarray(values, dtype=np.float32) for values in (scores, relevant, weights)
        )
        return cls(*_core.isotonic(x, y, w))

    def __call__(self, scores: ArrayLike) -> NDArray[np.float64]:
        """Chances in [0, 1], of the shape of the scores."""
        return np.asarray(np.interp(np.asarray(scores, dtype=np.float64), self.x, self.y))
