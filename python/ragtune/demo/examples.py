"""A few questions before and after learning: some better, one the same, one worse."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ragtune.memory import Memory

DEPTH = 100  # ranks beyond this are not told apart
SHOWN = 3  # hits of an example
SHOWN_CHARS = 200
KINDS = ("better", "better", "better", "same", "worse")


class Judged(Protocol):
    """A question with the grade of each chunk that is judged for it."""

    @property
    def text(self) -> str:
        """The question."""
        ...

    @property
    def style(self) -> str:
        """How it is put; examples are spread over styles."""
        ...

    @property
    def grades(self) -> Mapping[str, float]:
        """Grade by chunk id; above 0 is right."""
        ...


@dataclass(frozen=True, slots=True)
class ShownHit:
    """One of the first hits of an example."""

    id: str
    text: str
    is_right: bool


@dataclass(frozen=True, slots=True)
class Example:
    """A question, where its right chunk stood (1 is best, None: beyond 100), and its first hits."""

    question: str
    style: str
    kind: str
    rank_before: int | None
    rank_after: int | None
    before: tuple[ShownHit, ...]
    after: tuple[ShownHit, ...]


def choose_examples(memory: Memory, questions: Sequence[Judged]) -> list[Example]:
    """Choose five questions whose right chunk rose (three), stayed and fell.

    Those that show within the first three hits come first, then styles that are not there
    yet, then the order of the questions' hashes: nobody picks the best ones. Where a kind is
    missing there are fewer.
    """
    before, after = memory.rankings([question.text for question in questions], DEPTH)
    right = _right_rows(memory, questions)
    ranks = [(_rank(rows, before[i]), _rank(rows, after[i])) for i, rows in enumerate(right)]
    order = sorted(range(len(questions)), key=lambda i: _digest(questions[i].text))
    examples: list[Example] = []
    chosen: set[int] = set()
    for kind in KINDS:
        used = {example.style for example in examples}
        fitting = [i for i in order if i not in chosen and _kind(*ranks[i]) == kind]
        if fitting:
            i = min(fitting, key=lambda i: (min(ranks[i]) >= SHOWN, questions[i].style in used))
            chosen.add(i)
            hits = [_hits(memory, questions[i], deep_memory=deep) for deep in (False, True)]
            first, last = (rank + 1 if rank < DEPTH else None for rank in ranks[i])
            examples.append(
                Example(questions[i].text, questions[i].style, kind, first, last, *hits)
            )
    return examples


def _right_rows(memory: Memory, questions: Sequence[Judged]) -> list[set[int]]:
    """Store rows of the right chunks of each question."""
    right = [[id_ for id_, grade in q.grades.items() if grade > 0] for q in questions]
    known = memory.store.chunks.rows_and_sources(list({id_ for ids in right for id_ in ids}))
    return [{known[id_][0] for id_ in ids} for ids in right]


def _rank(right: set[int], ranking: NDArray[np.int64]) -> int:
    return next((rank for rank, row in enumerate(ranking.tolist()) if row in right), DEPTH)


def _kind(before: int, after: int) -> str:
    return "better" if after < before else "worse" if after > before else "same"


def _hits(memory: Memory, question: Judged, *, deep_memory: bool) -> tuple[ShownHit, ...]:
    found = memory.search(question.text, k=SHOWN, deep_memory=deep_memory, recall=1.0)
    right = {id_ for id_, grade in question.grades.items() if grade > 0}
    return tuple(
        ShownHit(hit.id, " ".join(hit.text[:SHOWN_CHARS].split()), hit.id in right) for hit in found
    )


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
