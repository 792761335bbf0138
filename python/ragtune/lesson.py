"""What a ridge adapter was taught, kept so that it can tell which pair moved what.

With queries Q and targets T (m, d), ridge to the identity is W = (Q'Q + p I)^-1 (Q'T + p I), so

    q'W x - q'x = sum_i a_i (t_i - q_i)'x,    a_i = q'(Q'Q + p I)^-1 q_i

exactly: the i-th term is what pair i adds to the score of x. Kernel ridge is the same with the
kernel of queries and centres in place of queries, and that of the centres in place of I.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

JITTER = 1e-3  # on the diagonal of the kernel, as in src/kernel_ridge.cpp

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Kernel:
    """A Gaussian kernel over centres (c, d) of unit length, and a linear one beside it."""

    centres: Floats
    sharpness: float
    linear: float = 0.0

    def of(self, rows: Doubles) -> Doubles:
        """Rows (r, d) against the centres, (r, c)."""
        cosines = rows @ self.centres.T.astype(float)
        return np.asarray(np.exp(self.sharpness * (cosines - 1)) + self.linear * cosines)


def kernel_of(adapter: Any, linear: float = 0.0) -> Kernel | None:
    """The kernel of an adapter with so much of a linear one, None if it is linear alone."""
    if adapter.kind != "kernel":
        return None
    matrices = adapter.matrices()
    return Kernel(matrices["centres"], float(matrices["sharpness"][0, 0]), linear)


@dataclass(frozen=True, slots=True)
class Lesson:
    """Queries and their targets less themselves (m, d), which of the caller's, and their texts."""

    queries: Floats
    shifts: Floats
    asked: NDArray[np.int64]
    texts: list[str] | None
    penalty: float
    alpha: float
    kernel: Kernel | None = None

    def adapted(self, query: Floats) -> Doubles:
        """A query (d,) as the adapter moves it, not of unit length."""
        shift = self._likeness(query) @ self.shifts.astype(np.float64)
        return np.asarray(query.astype(np.float64) + self.alpha * shift)

    def moved(self, query: Floats, rows: Floats) -> Doubles:
        """What each pair adds to the score of rows (k, d) for a query (d,), before it is scaled.

        Returns:
            Shape (k, m); the sum over the pairs is the dot product with the adapted query less
            that with the query itself, before the adapted query is brought to unit length.
        """
        towards = rows.astype(np.float64) @ self.shifts.astype(np.float64).T
        return np.asarray(self.alpha * self._likeness(query) * towards)

    def _likeness(self, query: Floats) -> Doubles:
        past, own = self.queries.astype(np.float64), query.astype(np.float64)
        prior = np.eye(past.shape[1])
        if self.kernel is not None:
            past, own = self.kernel.of(past), self.kernel.of(own[None])[0]
            centres = self.kernel.centres.astype(np.float64)
            prior = self.kernel.of(centres) + JITTER * np.eye(len(centres))
        return np.asarray(past @ np.linalg.solve(past.T @ past + self.penalty * prior, own))
