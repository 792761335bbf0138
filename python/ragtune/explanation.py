"""Why a chunk stands where it stands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ragtune import features
from ragtune.full_model import Floats, FullModel
from ragtune.fusion import softmax
from ragtune.legs import Sources
from ragtune.report_details import html_table, markdown_table

DEEP = 1_000  # ranks of the frozen vectors that are looked at
PAIRS = 3  # training pairs that are named for each hit


@dataclass(frozen=True, slots=True)
class PairShare:
    """A training pair, and what it added to the cosine of a hit with the adapted question."""

    query: int
    moved: float
    text: str | None = None


@dataclass(frozen=True, slots=True)
class ExplainedHit:
    """One chunk: where it stands and stood, and what speaks for it.

    `rank` and `rank_before` count from 1; `rank_before` is that of the frozen vectors, None
    beyond the first 1,000. `legs` are the weighted scores that the expert without stored
    questions adds up, against the mean of all candidates. `base` and `seen` are the probabilities
    that the two experts give; `score` mixes them by the trust of the explanation. `pairs` are the
    training pairs that moved the adapted question most towards this chunk or away from it, exact
    for ridge, with a kernel or without, and empty for other adapters; `asked_before` is the stored
    question of this chunk that is nearest, with its likeness. `id` is the chunk's name in a memory.
    """

    row: int
    rank: int
    rank_before: int | None
    score: float
    legs: Mapping[str, float]
    base: float
    seen: float | None
    pairs: Sequence[PairShare] = ()
    asked_before: tuple[str, float] | None = None
    id: str | None = None


@dataclass(frozen=True, slots=True)
class Explanation:
    """The hits of one question; `trust` in the expert with stored questions is in [0, 1]."""

    hits: Sequence[ExplainedHit]
    trust: float

    def to_markdown(self) -> str:
        """A table, one row per hit."""
        return markdown_table(*self._table()) + "\n"

    def __str__(self) -> str:
        return self.to_markdown()

    def _repr_html_(self) -> str:
        return f"{html_table(*self._table())}<p>trust in stored questions: {self.trust:.2f}</p>"

    def _table(self) -> tuple[list[str], list[list[str]]]:
        names = list(self.hits[0].legs) if self.hits else []
        rows = [
            [
                str(hit.rank),
                "-" if hit.rank_before is None else str(hit.rank_before),
                str(hit.row) if hit.id is None else hit.id,
                f"{hit.score:.3f}",
                *(f"{hit.legs[name]:+.2f}" for name in names),
                f"{hit.base:.3f}",
                "-" if hit.seen is None else f"{hit.seen:.3f}",
            ]
            for hit in self.hits
        ]
        return ["rank", "before", "chunk", "score", *names, "base", "stored questions"], rows


def explain(
    model: FullModel, sources: Sources, frozen: Floats, texts: list[str] | None, k: int
) -> Explanation:
    """The k best of one question (1, d) under what was learned."""
    legs = model.legs(sources, frozen, texts)
    fusion, mask = model.fusion, legs.mask
    values = features.of_legs(legs, fusion.names)
    weights = fusion.weights if fusion.seen is None else fusion.seen.base
    base, seen, trust = softmax(values @ weights, mask)[0], None, 0.0
    if fusion.seen is not None:
        trust = float(fusion.trust(legs)[0])
        both = np.concatenate([values, features.of_memory(legs)], axis=-1)
        seen = softmax(both @ fusion.seen.weights, mask)[0]
    scores = np.where(mask, fusion.probabilities(legs), -np.inf)[0]
    before = sources.vectors.search(frozen, DEEP)[1][0].tolist()
    shown = [j for j in np.argsort(-scores, kind="stable")[:k] if mask[0, j]]
    moved = _pairs(model, sources, frozen[0], legs.rows[0, shown])
    hits = [
        ExplainedHit(
            row=int(legs.rows[0, j]),
            rank=rank + 1,
            rank_before=before.index(legs.rows[0, j]) + 1 if legs.rows[0, j] in before else None,
            score=float(scores[j]),
            legs=dict(zip(fusion.names, (values[0, j] * weights).tolist(), strict=True)),
            base=float(base[j]),
            seen=None if seen is None else float(seen[j]),
            pairs=moved[rank],
            asked_before=_asked_before(model, frozen[0], int(legs.rows[0, j])),
        )
        for rank, j in enumerate(shown)
    ]
    return Explanation(hits, trust)


def _pairs(
    model: FullModel, sources: Sources, query: Floats, rows: NDArray[np.int64]
) -> list[list[PairShare]]:
    """For each row the pairs that moved it most, the strongest first."""
    lesson, vectors = model.lesson, sources.vectors.rows(rows)
    if lesson is None or vectors is None:
        return [[] for _ in rows]
    length = float(np.linalg.norm(lesson.adapted(query))) or 1.0
    told = []
    for shares in lesson.moved(query, vectors) / length:
        strongest = np.argsort(-np.abs(shares), kind="stable")[:PAIRS]
        told.append(
            [
                PairShare(
                    int(lesson.asked[i]),
                    float(shares[i]),
                    None if lesson.texts is None else lesson.texts[i],
                )
                for i in strongest
            ]
        )
    return told


def _asked_before(model: FullModel, query: Floats, row: int) -> tuple[str, float] | None:
    """The nearest stored question of a row, and its cosine."""
    stored = model.questions
    own = np.flatnonzero(stored.rows == row) if stored is not None else ()
    if stored is None or not len(own):
        return None
    alike = stored.vectors[own] @ query
    best = int(alike.argmax())
    text = f"question {own[best]}" if stored.texts is None else stored.texts[own[best]]
    return text, float(alike[best])
