"""What the sentences of a corpus teach by themselves, each asking for its own chunk.

A few hundred questions do not tell what a matrix has to know, and say nothing of chunks that nobody
asked about. Sentences do, of all chunks (the inverse cloze task: Lee, Chang & Toutanova 2019, arXiv
1906.00300). No question takes part, so one matrix is as good for every fold as for the whole.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ragtune import _core
from ragtune.arrays import unit_rows

AMONG_AT_LEAST = 10_000  # rows that sentences are told apart from, if there are so many
TAUGHT: dict[str, Any] = {
    "penalty": 0.01, "temperature": 0.05, "learning_rate": 3e-3, "epochs": 5, "batch": 128,
    "drift": 12.0, "shortlist": 16,  # few are measured again: as good, in half the time
}  # fmt: skip

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Sentences:
    """Vectors (p, d) of sentences, p > 0, and the row of each (p,) in a corpus (n, d) of unit rows.

    What was learned of them is kept, and shared by all data that hold them.
    """

    corpus: Floats
    vectors: Floats
    rows: Ints
    _shifts: dict[int, Floats] = field(default_factory=dict, repr=False, compare=False)

    @cached_property
    def dealt_anew(self) -> Sentences:
        """The same with the rows shuffled: what remains teaches nothing."""
        rows = np.random.default_rng(0).permutation(self.rows)
        return Sentences(self.corpus, self.vectors, rows)

    def shift(self, most: int) -> Floats:
        """M (d, d) with q + q M nearer to the chunk that a sentence q is of, from `most` of them.

        InfoNCE against the whole corpus, or a sample of it; see src/contrastive.hpp.
        """
        if most not in self._shifts:
            self._shifts[most] = self._learned(most)
        return self._shifts[most]

    def _learned(self, most: int) -> Floats:
        chosen = np.random.default_rng(0).permutation(len(self.rows))[:most]
        asked_for = self.rows[chosen]
        among = _sample(asked_for, len(self.corpus))
        result = _core.train_contrastive(
            self.corpus if len(among) == len(self.corpus) else self.corpus[among],
            unit_rows(self.vectors[chosen]),
            np.arange(len(chosen) + 1),
            np.searchsorted(among, asked_for),
            np.ones(len(chosen), np.float32),
            **TAUGHT,
        )
        return np.asarray(result["matrices"]["m"])


def _sample(named: Ints, n: int) -> Ints:
    """Rows that are named and others by chance, rising: `AMONG_AT_LEAST` if there are so many."""
    own = np.unique(named)
    rest = np.setdiff1d(np.arange(n), own, assume_unique=True)
    more = np.random.default_rng(0).permutation(rest)[: max(AMONG_AT_LEAST - len(own), 0)]
    return np.sort(np.concatenate([own, more]))
