"""Ridge to the identity in the space of a kernel; see src/kernel_ridge.hpp.

A question is moved as the training questions near it were. Where `ridge` learns one shift for all
questions, this also learns what single documents are asked; a question near none stays itself, or
is moved as `ridge` would where the kernel has a linear part.

With `sentences` it learns what questions still lack under the matrix that sentences of the corpus
teach (`inverse_cloze`): the matrix serves all questions, the kernel those near others.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ragtune import _core
from ragtune.strategies.ridge import targets
from ragtune.training_data import TrainingData
from ragtune.types import Cancel, Progress

CENTRES = 1_024  # questions kept at most: 3 MB at 384 dimensions
CONTRASTS = (0.6,)
SHARPNESSES = (4.0, 8.0, 16.0)  # a kernel that falls more slowly hardly differs from ridge
LINEAR = 0.1  # in a full model: a penalty of 1 is one of 10 there, as `ridge` mostly takes
PENALTIES = (0.3, 1.0, 3.0, 10.0)
SENTENCES = 12_000  # with more the matrix is no better
LEAST = 50  # questions to choose a matrix by

Floats = NDArray[np.float32]
Values = Mapping[str, tuple[Any, ...]]


class KernelRidge:
    """For questions about documents that others were asked about."""

    name = "kernel_ridge"

    def validate(self, data: TrainingData) -> None:
        """Any data will do."""

    def default_hyperparameters(self, data: TrainingData) -> Values:
        """Values to choose from.

        `contrast` is that of `ridge`, `penalty` is lambda, and `sharpness` tells how fast the
        kernel falls: e^-sharpness at the mean distance of two questions. `linear` weighs the
        linear part beside the Gaussian one. So many `sentences` of the corpus at most teach a
        matrix below the kernel; 0 is no matrix.
        """
        taught = data.parts is not None and len(data.queries) >= LEAST
        return {
            "sentences": (0, SENTENCES) if taught else (0,),
            "contrast": CONTRASTS,
            "linear": (0.0,),
            "sharpness": SHARPNESSES,
            "penalty": PENALTIES,
        }

    def train(
        self,
        data: TrainingData,
        hyperparameters: Mapping[str, Any],
        progress: Progress | None = None,
        cancel: Cancel | None = None,
    ) -> _core.Adapter:
        """The adapter of one setting."""
        centres = _centres(data)
        sharpness = hyperparameters["sharpness"] / _spread(data)
        linear, penalty = hyperparameters.get("linear", 0.0), hyperparameters["penalty"]
        under = _under(data, hyperparameters.get("sentences", 0))
        aims = _aims(data, hyperparameters["contrast"], under)
        shifts = _core.kernel_ridge(
            data.queries, aims, centres, sharpness=sharpness, linear=linear, penalty=penalty
        )
        falls = np.full((1, 1), sharpness, dtype=np.float32)
        matrices = {"centres": centres, "shifts": shifts, "sharpness": falls}
        if linear:  # q M with M = linear C' B
            whole = linear * (centres.T.astype(np.float64) @ shifts)
            under = (whole if under is None else whole + under).astype(np.float32)
        if under is not None:
            matrices["m"] = np.ascontiguousarray(under)
        return _core.Adapter.residual("kernel", matrices)

    def adapted(self, data: TrainingData, queries: Floats, grid: Values) -> Floats:
        """Queries (m, d) under every setting of the grid at once, (settings, m, d)."""
        penalties = np.array(grid["penalty"], dtype=np.float64)
        centres, spread = _centres(data), _spread(data)
        blocks = []
        for sentences in grid.get("sentences", (0,)):
            under = _under(data, sentences)
            beside = 0 if under is None else queries @ under
            for contrast in grid["contrast"]:
                aims = _aims(data, contrast, under)
                for linear, sharpness in product(grid.get("linear", (0.0,)), grid["sharpness"]):
                    moved = _core.kernel_ridge_adapted(
                        data.queries, aims, centres, queries,
                        sharpness=sharpness / spread, linear=linear, penalties=penalties,
                    )  # fmt: skip
                    blocks.append(np.asarray(moved).reshape(-1, *queries.shape) + beside)
        return np.concatenate(blocks)


def _under(data: TrainingData, sentences: int) -> Floats | None:
    """The matrix M (d, d) below the kernel, which adds q M to a query.

    Raises:
        ValueError: There are no sentences.
    """
    if not sentences:
        return None
    if data.parts is None:
        raise ValueError(f"hyperparameters['sentences']: expected 0 without parts, got {sentences}")
    return data.parts.shift(sentences)


def _aims(data: TrainingData, contrast: float, under: Floats | None) -> Floats:
    """What is left for the kernel: `targets` less what the matrix below it adds."""
    aims = targets(data, contrast)
    return aims if under is None else np.ascontiguousarray(aims - data.queries @ under)


def _centres(data: TrainingData) -> Floats:
    """All questions, or so many of them that one is moved in some 50 us."""
    count = len(data.queries)
    if count <= CENTRES:
        return data.queries
    chosen = np.random.default_rng(0).permutation(count)[:CENTRES]
    return np.ascontiguousarray(data.queries[np.sort(chosen)])


def _spread(data: TrainingData) -> float:
    """Mean of 1 - cosine over all pairs of questions, which models differ in."""
    mean = data.queries.astype(np.float64).mean(axis=0)
    return max(1.0 - float(mean @ mean), 1e-3)
