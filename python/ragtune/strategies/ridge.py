"""Ridge to the identity: a query is moved towards its answers, and away from what it finds.

The target of a query is (a - contrast n) / (1 - contrast / 2), with a the mean of its relevant
rows and n the mean of the rows that the frozen embeddings put first though they are not relevant
(Rocchio 1971, with the negatives that hurt); a contrast of 0 is the plain regression.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ragtune import _core
from ragtune.training_data import TrainingData
from ragtune.types import Cancel, Progress

PENALTIES = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0)
CONTRASTS = (0.3, 0.6)

Floats = NDArray[np.float32]


class Ridge:
    """Closed form, deterministic, and the best single method below some hundred pairs."""

    name = "ridge"

    def validate(self, data: TrainingData) -> None:
        """Any data will do."""

    def default_hyperparameters(self, data: TrainingData) -> Mapping[str, tuple[float, ...]]:
        """Values to choose from: `penalty` (lambda) and `contrast`, the weight of negatives."""
        return {"contrast": CONTRASTS, "penalty": PENALTIES}

    def train(
        self,
        data: TrainingData,
        hyperparameters: Mapping[str, Any],
        progress: Progress | None = None,
        cancel: Cancel | None = None,
    ) -> _core.Adapter:
        """The adapter of one setting."""
        stats = _core.RidgeStatistics(data.queries.shape[1])
        weights = np.ones(len(data.queries), dtype=np.float32)
        stats.add(data.queries, targets(data, hyperparameters["contrast"]), weights)
        return _core.Adapter.linear(stats.solve(hyperparameters["penalty"]))

    def adapted(
        self, data: TrainingData, queries: Floats, grid: Mapping[str, tuple[float, ...]]
    ) -> Floats:
        """Queries (m, d) under every setting of the grid at once, (settings, m, d)."""
        aims = np.concatenate([targets(data, contrast) for contrast in grid["contrast"]])
        penalties = np.array(grid["penalty"], dtype=np.float64)
        moved = _core.ridge_adapted(data.queries, aims, queries, penalties)
        return np.asarray(moved).reshape(-1, *queries.shape)


def targets(data: TrainingData, contrast: float) -> Floats:
    """What each query is moved towards, (nq, d)."""
    if not 0 <= contrast < 2:
        raise ValueError(f"hyperparameters['contrast']: expected in [0, 2), got {contrast}")
    aims = (data.answers - np.float32(contrast) * data.negatives) / np.float32(1 - contrast / 2)
    return np.ascontiguousarray(aims)
