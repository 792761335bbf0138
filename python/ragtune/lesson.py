"""What a ridge adapter was taught, kept so that it can tell which pair moved what.

With queries Q and targets T (m, d), ridge to the identity is W = (Q'Q + p I)^-1 (Q'T + p I), so

    q'W x - q'x = sum_i a_i (t_i - q_i)'x,    a_i = q'(Q'Q + p I)^-1 q_i

exactly: the i-th term is what pair i adds to the score of x.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Lesson:
    """Queries and their targets less themselves (m, d), which of the caller's, and their texts."""

    queries: Floats
    shifts: Floats
    asked: NDArray[np.int64]
    texts: list[str] | None
    penalty: float
    alpha: float

    def adapted(self, query: Floats) -> NDArray[np.float64]:
        """A query (d,) as the adapter moves it, not of unit length."""
        shift = self._likeness(query) @ self.shifts.astype(np.float64)
        return query.astype(np.float64) + self.alpha * shift

    def moved(self, query: Floats, rows: Floats) -> NDArray[np.float64]:
        """What each pair adds to the score of rows (k, d) for a query (d,), before it is scaled.

        Returns:
            Shape (k, m); the sum over the pairs is the dot product with the adapted query less
            that with the query itself, before the adapted query is brought to unit length.
        """
        towards = rows.astype(np.float64) @ self.shifts.astype(np.float64).T
        return np.asarray(self.alpha * self._likeness(query) * towards)

    def _likeness(self, query: Floats) -> NDArray[np.float64]:
        past = self.queries.astype(np.float64)
        gram = past.T @ past + self.penalty * np.eye(past.shape[1])
        return np.asarray(past @ np.linalg.solve(gram, query.astype(np.float64)))
