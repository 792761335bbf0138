"""InfoNCE with a penalty on leaving the identity; see src/contrastive.hpp.

Overtakes ridge where there are many pairs. `ridge_share` mixes in the ridge matrix of a middling
penalty: the two learners err in different ways, so their mean is often better than either.

`sentences` has it learn from so many sentences of the corpus beside each question, too: each asks
for its own chunk. What chunks say is known of all of them, also of those that nobody asked about,
and a few hundred questions do not tell what a matrix would have to know (the inverse cloze task:
Lee, Chang & Toutanova 2019, arXiv 1906.00300).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ragtune import _core
from ragtune.arrays import unit_rows
from ragtune.ranking import Csr
from ragtune.strategies.ridge import Ridge
from ragtune.training_data import TrainingData
from ragtune.types import Cancel, Progress

CORPUS_AT_MOST = 200_000  # rows above which negatives are mined
AMONG_AT_LEAST = 10_000  # rows that sentences are told apart from, if there are so many
SENTENCES_AT_MOST = 12_000  # with more, questions are many, too, and minutes become hours
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
        """Values to choose from; with `sentences` above 0 some 5 `epochs` are enough."""
        return {
            "sentences": (0,),
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
        share, sentences = given.pop("ridge_share", 0.0), given.pop("sentences", 0)
        corpus, queries, pairs = _lessons(data, sentences)
        result = _core.train_contrastive(
            corpus,
            queries,
            *pairs,
            kind=self.kind,
            negatives="corpus" if len(corpus) <= CORPUS_AT_MOST else "mined",
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


def _lessons(data: TrainingData, sentences: int) -> tuple[Floats, Floats, Csr]:
    """Corpus, questions and pairs to learn from; the corpus is a sample where sentences join in.

    Raises:
        ValueError: There are no sentences.
    """
    if not sentences:
        return data.corpus, data.queries, data.csr
    if data.parts is None:
        raise ValueError(f"hyperparameters['sentences']: expected 0 without parts, got {sentences}")
    vectors, owners = data.parts
    order = np.random.default_rng(0).permutation(len(owners))
    chosen = order[: min(sentences * len(data.queries), SENTENCES_AT_MOST)]
    offsets, rows, grades = data.csr
    named = np.concatenate([rows, owners[chosen]])
    kept = _sample(named, len(data.corpus))
    ends = offsets[-1] + np.arange(1, len(chosen) + 1)
    return (
        data.corpus if len(kept) == len(data.corpus) else data.corpus[kept],
        np.concatenate([data.queries, unit_rows(vectors[chosen])]),
        (
            np.concatenate([offsets, ends]),
            np.searchsorted(kept, named),
            np.concatenate([grades, np.ones(len(chosen), np.float32)]),
        ),
    )


def _sample(named: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    """Rows that are named and others by chance, rising: `AMONG_AT_LEAST` if there are so many."""
    own = np.unique(named)
    rest = np.setdiff1d(np.arange(n), own, assume_unique=True)
    more = np.random.default_rng(0).permutation(rest)[: max(AMONG_AT_LEAST - len(own), 0)]
    return np.sort(np.concatenate([own, more]))


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
