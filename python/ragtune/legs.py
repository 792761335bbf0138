"""What each leg says of the candidates of a query.

A leg is a way of scoring chunks: the frozen vectors (`dense`), those of the adapted query
(`adapted`), words, phrases and runs of characters (`words`, `phrases`, `characters`), how much of
the question's words a chunk has at all (`coordination`), the best sentence for either query
(`part`, `adapted_part`), and the mean of the best three for the adapted one (`adapted_part_mean`).
Beside them stands `memory`, the likeness to the nearest stored question.
The legs that can search propose candidates; every leg scores all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ragtune import _core
from ragtune.side_by_side import side_by_side

DEPTH = 40  # candidates that each searching leg proposes
WHOLE = {"part": "dense", "adapted_part": "adapted", "adapted_part_mean": "adapted"}
"""What a leg of sentences says of a chunk that has none."""
TOGETHER = {"words": "coordination", "adapted_part": "adapted_part_mean"}
"""Legs that one call scores, by the first of the two."""

Rows = NDArray[np.int64]
Scores = NDArray[np.float32]


def threads(queries: int) -> int:
    """For a single query one: to wake more costs more than they gain."""
    return 1 if queries == 1 else 0


class Vectors(Protocol):
    """The chunks' vectors, wherever they live."""

    def search(self, queries: NDArray[np.float32], k: int) -> tuple[Scores, Rows]:
        """Scores and rows of the k nearest, (nq, k) each, -1 padded."""
        ...

    def score(self, queries: NDArray[np.float32], candidates: Rows) -> Scores:
        """Cosine of each candidate (nq, c), 0 where it is -1."""
        ...

    def rows(self, rows: Rows) -> NDArray[np.float32] | None:
        """Vectors (m, d) of some rows, None if they cannot be had."""
        ...


@dataclass(frozen=True, slots=True)
class Matrix:
    """Vectors (n, d) of unit length in memory, searched exactly."""

    corpus: NDArray[np.float32]

    def search(self, queries: NDArray[np.float32], k: int) -> tuple[Scores, Rows]:
        """See `Vectors.search`."""
        return _core.exact_search(self.corpus, queries, k=k, num_threads=threads(len(queries)))

    def score(self, queries: NDArray[np.float32], candidates: Rows) -> Scores:
        """See `Vectors.score`."""
        return _core.candidate_scores(
            self.corpus, queries, candidates, num_threads=threads(len(queries))
        )

    def rows(self, rows: Rows) -> NDArray[np.float32] | None:
        """See `Vectors.rows`."""
        return np.ascontiguousarray(self.corpus[rows])


class Lexical:
    """Words, phrases and runs of characters of the chunks, as BM25 scores them."""

    def __init__(self, language: str = "english") -> None:
        """Index nothing yet; `language` is one that Snowball knows."""
        self.language = language
        self.indexes = {
            "words": _core.Bm25(language),
            "phrases": _core.Bm25(f"{language} pairs"),
            "characters": _core.Bm25("characters"),
        }

    def add(self, rows: Rows, texts: list[str]) -> None:
        """Add or replace the texts of rows."""
        for index in self.indexes.values():
            index.add(rows, texts)

    def remove(self, rows: Rows) -> None:
        """Forget rows; unknown ones are passed over."""
        for index in self.indexes.values():
            index.remove(rows)


@dataclass(frozen=True, slots=True)
class Sources:
    """What can be asked about chunks without having learned anything."""

    vectors: Vectors
    lexical: Lexical | None = None
    parts: _core.Parts | None = None
    allowed: Rows | None = None  # rows that may be found, rising; None: all


@dataclass(frozen=True, slots=True)
class Questions:
    """Queries to be answered: vectors (nq, d), adapted vectors (nq, d), and their texts."""

    frozen: NDArray[np.float32]
    adapted: NDArray[np.float32] | None = None
    texts: list[str] | None = None


@dataclass(frozen=True, slots=True)
class Legs:
    """Candidates (nq, c), ascending, -1 padded, and what each leg says of them, (nq, c)."""

    rows: Rows
    scores: Mapping[str, Scores]

    @property
    def mask(self) -> NDArray[np.bool_]:
        """Where there is a candidate, (nq, c)."""
        return self.rows >= 0


def union(proposals: Sequence[Rows]) -> Rows:
    """Each query's proposals once, in ascending order, -1 padded; (nq, c)."""
    own = [np.ascontiguousarray(rows, dtype=np.int64) for rows in proposals]
    return _core.united(own, num_threads=threads(len(own[0])))


Call = Callable[[], Any]


def propose(
    sources: Sources,
    questions: Questions,
    memory: _core.QuestionMemory | None = None,
    *,
    depth: int = DEPTH,
) -> list[Rows]:
    """Rows (nq, depth) of the best of each leg that searches; phrases only score."""
    frozen, adapted, texts = questions.frozen, questions.adapted, questions.texts
    many = threads(len(frozen))
    near: list[Call] = [lambda: sources.vectors.search(frozen, depth)[1]]
    if adapted is not None:
        near.append(lambda: sources.vectors.search(adapted, depth)[1])
    said: list[Call] = []
    if sources.lexical is not None and texts is not None:
        words, characters = (sources.lexical.indexes[name] for name in ("words", "characters"))
        how: dict[str, Any] = {"ids": sources.allowed, "num_threads": many}
        near.append(lambda: words.search(texts, depth, **how)[1])
        said.append(lambda: characters.search(texts, depth, **how)[1])
    if memory is not None:
        said.append(lambda: within(sources, memory.propose(frozen, depth, num_threads=many)))
    return _all(near, said, len(frozen))


def _all(some: Sequence[Call], others: Sequence[Call], queries: int) -> list[Any]:
    """What all calls return, in order; for a single query the two lots at once."""
    lots = [lambda: [call() for call in some], lambda: [call() for call in others]]
    if queries == 1 and some and others:
        first, second = side_by_side(*lots)
        return first + second
    return lots[0]() + lots[1]()


def within(sources: Sources, rows: Rows) -> Rows:
    """Rows with -1 in place of those that may not be found."""
    if sources.allowed is None:
        return rows
    return np.where(np.isin(rows, sources.allowed), rows, -1)


def gather(
    sources: Sources,
    questions: Questions,
    rows: Rows,
    memory: _core.QuestionMemory | None = None,
) -> Legs:
    """What every leg that there is says of the candidates `rows`."""
    frozen, adapted, many = questions.frozen, questions.adapted, threads(len(rows))
    near: dict[str, Call] = {"dense": lambda: sources.vectors.score(frozen, rows)}
    said: dict[str, Call] = {}
    if adapted is not None:
        near["adapted"] = lambda: sources.vectors.score(adapted, rows)
    if sources.parts is not None:
        parts = sources.parts
        near["part"] = lambda: parts.best(frozen, rows, num_threads=many)
        if adapted is not None:
            near["adapted_part"] = lambda: parts.best_and_mean(adapted, rows, num_threads=many)
    if sources.lexical is not None and questions.texts is not None:
        for name, index in sources.lexical.indexes.items():
            score = index.score_and_coordination if name == "words" else index.score
            said[name] = partial(score, questions.texts, rows, num_threads=many)
    if memory is not None:
        said["memory"] = lambda: memory.likeness(frozen, questions.texts, rows, num_threads=many)
    names = [*near, *said]
    scores = dict(zip(names, _all([*near.values()], [*said.values()], len(rows)), strict=True))
    for first, second in TOGETHER.items():
        if first in scores:
            scores[first], scores[second] = scores[first]
    for part, whole in WHOLE.items():
        if part in scores:
            scores[part] = _or(scores[part], scores[whole])
    return Legs(rows, scores)


def _or(scores: Scores, otherwise: Scores) -> Scores:
    """A chunk without sentences is its own only one."""
    return np.where(np.isnan(scores), otherwise, scores)
