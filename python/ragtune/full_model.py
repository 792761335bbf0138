"""Everything that ranks at once: adapter, legs, stored questions, and how they are combined."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ragtune import _core
from ragtune.fusion import Fusion
from ragtune.legs import Legs, Questions, Sources, gather, propose, union
from ragtune.lesson import Lesson

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class StoredQuestions:
    """Questions with the corpus rows that they are about: vectors (m, d), rows (m,), texts (m,)."""

    vectors: Floats
    rows: NDArray[np.int64]
    texts: list[str] | None
    language: str

    def memory(self) -> _core.QuestionMemory:
        """The same, ready to be compared with."""
        return _core.QuestionMemory(self.vectors, self.rows, self.texts, self.language)


@dataclass(frozen=True, slots=True)
class FullModel:
    """A fusion over an adapter and stored questions, and the fixed mix to fall back on.

    `lesson` is what the adapter was taught, where it can tell which pair moved what.
    """

    fusion: Fusion
    baseline: Fusion
    adapter: Any
    questions: StoredQuestions | None = None
    memory: _core.QuestionMemory | None = None
    lesson: Lesson | None = None

    @property
    def needs_texts(self) -> bool:
        """Whether it was learned with the words of the questions."""
        return "words" in self.fusion.names

    @property
    def needs_parts(self) -> bool:
        """Whether it was learned with the sentences of the chunks."""
        return "part" in self.fusion.names

    def by_row(self, rows: NDArray[np.int64]) -> FullModel:
        """The same, its stored questions about rows[i] in place of i."""
        if self.questions is None:
            return self
        stored = replace(self.questions, rows=np.ascontiguousarray(rows[self.questions.rows]))
        return replace(self, questions=stored, memory=stored.memory())

    def legs(self, sources: Sources, frozen: Floats, texts: list[str] | None) -> Legs:
        """Candidates of unit-length queries (nq, d) and what every leg says of them."""
        adapted = None if self.adapter.is_identity else self.adapter.apply(frozen)
        questions = Questions(frozen, adapted, texts)
        rows = union(propose(sources, questions, self.memory))
        return gather(sources, questions, rows, self.memory)

    def safe_legs(self, sources: Sources, frozen: Floats, texts: list[str] | None) -> Legs:
        """What the baseline needs: nothing that was learned."""
        questions = Questions(frozen, None, texts)
        return gather(sources, questions, union(propose(sources, questions)))

    def rank(
        self, sources: Sources, frozen: Floats, texts: list[str] | None, k: int, *, learned: bool
    ) -> tuple[Floats, NDArray[np.int64]]:
        """Probabilities and rows of the k best, (nq, k) each, best first, -1 padded.

        Rows that no leg proposed follow in the order of the frozen vectors, with scores below 0.
        """
        legs = (self.legs if learned else self.safe_legs)(sources, frozen, texts)
        scores = (self.fusion if learned else self.baseline).probabilities(legs)
        scores = np.where(legs.mask, scores, -np.inf).astype(np.float32)
        rows = legs.rows
        if k > int(legs.mask.sum(axis=1).min(initial=rows.shape[1])):
            scores, rows = _filled(sources, frozen, scores, rows, k)
        order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        rows = np.take_along_axis(rows, order, axis=1)
        return np.take_along_axis(scores, order, axis=1), rows


def _filled(
    sources: Sources, frozen: Floats, scores: Floats, rows: NDArray[np.int64], k: int
) -> tuple[Floats, NDArray[np.int64]]:
    """The candidates, and behind them what the frozen vectors find beside."""
    cosines, found = sources.vectors.search(frozen, k)
    known = (found[:, :, None] == rows[:, None, :]).any(axis=2) | (found < 0)
    fresh = np.where(known, -1, found)
    below = np.where(known, -np.inf, cosines - 2).astype(np.float32)
    scores, rows = np.hstack([scores, below]), np.hstack([rows, fresh])
    missing = k - rows.shape[1]
    if missing > 0:
        scores = np.pad(scores, ((0, 0), (0, missing)), constant_values=-np.inf)
        rows = np.pad(rows, ((0, 0), (0, missing)), constant_values=-1)
    return scores, rows
