"""InfoNCE with a penalty on leaving the identity; see src/contrastive.hpp.

Overtakes ridge where there are many pairs. `ridge_share` mixes in the ridge matrix of a middling
penalty: the two learners err in different ways, so their mean is often better than either.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ragtune import _core
from ragtune.strategies.ridge import Ridge
from ragtune.training_data import TrainingData
from ragtune.types import Cancel, Progress

CORPUS_AT_MOST = 200_000  # rows above which negatives are mined
BESIDE = {"contrast": 0.6, "penalty": 30.0}  # the ridge that is mixed in

Floats = NDArray[np.float32]
Values = Mapping[str, tuple[Any, ...]]


class Contrastive:
    """A linear residual, q' = q + q M."""

    name = "contrastive"
    kind = "linear"
    least = 50  # queries

    def validate(self, data: TrainingData) -> None:
        """Raise ValueError if there are too few queries."""
        if len(data.queries) < self.least:
            raise ValueError(
                f"strategy: {self.name} expects at least {self.least} queries with a relevant "
                f"row, got {len(data.queries)}; ridge suits fewer"
            )

    def default_hyperparameters(self, data: TrainingData) -> Values:
        """Values to choose from."""
        return {
            "penalty": (0.03, 0.1),
            "temperature": (0.05,),
            "learning_rate": (3e-3,),
            "epochs": (20,),
            "batch": (128,),
            "ridge_share": (0.0, 0.5),
        }

    def train(
        self,
        data: TrainingData,
        hyperparameters: Mapping[str, Any],
        progress: Progress | None = None,
        cancel: Cancel | None = None,
    ) -> _core.Adapter:
        """The adapter of one setting."""
        given = dict(hyperparameters)
        share = given.pop("ridge_share", 0.0)
        result = _core.train_contrastive(
            data.corpus,
            data.queries,
            *data.csr,
            kind=self.kind,
            negatives="corpus" if len(data.corpus) <= CORPUS_AT_MOST else "mined",
            progress=_stopping(progress, cancel),
            **given,
        )
        adapter = _core.Adapter.residual(self.kind, result["matrices"])
        if not share:
            return adapter
        beside = Ridge().train(data, BESIDE).matrix()
        mixed = share * beside + (1 - share) * adapter.matrix()
        return _core.Adapter.linear(np.ascontiguousarray(mixed.astype(np.float32)))

    def adapted(self, data: TrainingData, queries: Floats, grid: Values) -> Floats:
        """Queries (m, d) under every setting; what differs only by ridge_share is trained once."""
        from ragtune.strategies import settings

        alone = {name: values for name, values in grid.items() if name != "ridge_share"}
        beside = queries @ Ridge().train(data, BESIDE).matrix()
        blocks = []
        for setting in settings(alone):
            own = queries @ self.train(data, setting).matrix()
            blocks += [share * beside + (1 - share) * own for share in grid["ridge_share"]]
        return np.stack(blocks).astype(np.float32)


class LowRank(Contrastive):
    """q' = q + q A B with r columns: fewer weights, for long vectors or few pairs."""

    name = "low_rank"
    kind = "low_rank"

    def default_hyperparameters(self, data: TrainingData) -> Values:
        """Values to choose from; `width` is r."""
        return {
            "width": (16, 64),
            "penalty": (1e-3, 1e-2),
            "temperature": (0.05,),
            "learning_rate": (3e-3,),
            "epochs": (20,),
            "batch": (128,),
            "ridge_share": (0.0,),
        }


class Mlp:
    """q' = q + gelu(q A + a) B: only where thousands of pairs speak for it."""

    name = "mlp"
    kind = "mlp"
    least = 5_000  # pairs

    def validate(self, data: TrainingData) -> None:
        """Raise ValueError if there are too few pairs."""
        if len(data.pair_row) < self.least:
            raise ValueError(
                f"strategy: mlp expects at least {self.least:,} pairs, got "
                f"{len(data.pair_row):,}; ridge and contrastive suit fewer"
            )

    def default_hyperparameters(self, data: TrainingData) -> Values:
        """Values to choose from; `width` is the number of hidden units."""
        return {
            "width": (64,),
            "penalty": (1e-3,),
            "temperature": (0.05,),
            "learning_rate": (1e-3,),
            "epochs": (20,),
            "batch": (256,),
            "alpha": (1.0,),
        }

    train = Contrastive.train


def _stopping(progress: Progress | None, cancel: Cancel | None) -> Any:
    """What the core calls after each step: true ends the training."""
    if progress is None and cancel is None:
        return None

    def each(step: int, steps: int, loss: float) -> bool:
        if progress is not None:
            progress(step, steps)
        return cancel is not None and cancel()

    return each
