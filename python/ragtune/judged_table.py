"""Judged questions with their candidates: what weights are fitted on and judged by.

Every leg is out of fold: the adapted vectors and the stored questions of a judged question come
from a training part that does not contain it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ragtune import features
from ragtune.crossfit import OBJECTIVE, subset
from ragtune.features import Floats
from ragtune.folds import Fold
from ragtune.full_model import StoredQuestions
from ragtune.fusion import Examples, Weights
from ragtune.legs import DEPTH, Legs, Questions, Rows, Sources, gather, propose, union
from ragtune.ranking import Csr, scores_from_ranks
from ragtune.training_data import TrainingData

NOT_FOUND = 2**30
LEAST_SHARE = 0.05  # of a slice in what weights are fitted on, whatever the coverage


@dataclass(frozen=True, slots=True)
class Judging:
    """Questions of one slice: which (m,), their folds (m,), adapted vectors (m, d) or None.

    `trained` are the training parts whose questions are stored; without, those of the folds.
    """

    queries: NDArray[np.int64]
    fold: NDArray[np.int64]
    folds: Sequence[Fold]
    adapted: Floats | None
    trained: Sequence[TrainingData] | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """Judged questions of both slices over one set of candidates.

    Shapes: queries, fold, is_seen, importance (N,); values (N, c, f) of the legs; pairs in csr,
    with the column of each relevant row in `column`, -1 where no leg proposed it.
    """

    queries: NDArray[np.int64]
    fold: NDArray[np.int64]
    is_seen: NDArray[np.bool_]
    importance: Floats
    examples: Examples
    names: tuple[str, ...]
    values: Floats
    csr: Csr
    column: NDArray[np.int64]

    def under(self, truth: Csr) -> Table:
        """The same candidates, judged by other answers."""
        grades, column = _grades(self.examples.legs, truth)
        return replace(
            self, examples=replace(self.examples, grades=grades), csr=truth, column=column
        )

    def ranks(self, scores: NDArray[np.floating]) -> NDArray[np.int32]:
        """Ranks of the relevant rows (pairs,) by scores (N, c); ties in row order."""
        entry = np.repeat(np.arange(len(self.queries)), np.diff(self.csr[0]))
        masked = np.where(self.examples.legs.mask, scores, -np.inf)[entry]
        own = masked[np.arange(len(entry)), self.column][:, None]
        before = np.arange(masked.shape[1]) < self.column[:, None]
        above = (masked > own) | ((masked == own) & before)
        return np.where(self.column < 0, NOT_FOUND, above.sum(axis=1)).astype(np.int32)

    def objective(self, scores: NDArray[np.floating]) -> Weights:
        """nDCG@10 of each question (N,)."""
        values: Weights = scores_from_ranks(self.ranks(scores)[None], self.csr, OBJECTIVE)[0]
        return values


def tabulate(
    data: TrainingData,
    sources: Sources,
    slices: Sequence[Judging],
    coverage: float,
    *,
    with_memory: bool,
) -> Table:
    """Candidates of every judged question, out of fold; the seen slice first."""
    everyone = Questions(data.queries, texts=data.query_texts)
    found = propose(sources, everyone)
    blocks = [_legs(data, sources, part, found, with_memory) for part in slices]
    legs = _stacked([leg for block in blocks for leg in block])
    queries = np.concatenate([part.queries for part in slices])
    sizes = [len(part.queries) for part in slices]
    coverage = min(max(coverage, LEAST_SHARE), 1 - LEAST_SHARE)
    importance = np.repeat(
        [
            weight / max(size, 1)
            for weight, size in zip((coverage, 1 - coverage), sizes, strict=True)
        ],
        sizes,
    )
    if not importance.any():
        importance += 1.0
    csr = _joined([subset(data, part.queries) for part in slices])
    grades, column = _grades(legs, csr)
    names = features.names_of(legs)
    weights = (importance / importance.max()).astype(np.float32)
    return Table(
        queries,
        np.concatenate([part.fold for part in slices]),
        np.repeat([True, False], sizes),
        weights,
        Examples(legs, grades, weights),
        names,
        features.of_legs(legs, names),
        csr,
        column,
    )


def _legs(
    data: TrainingData, sources: Sources, part: Judging, found: Sequence[Rows], with_memory: bool
) -> list[Legs]:
    """Legs of a slice, one block per fold, together in the order of its questions."""
    if not len(part.queries):
        return []
    proposals = [rows[part.queries] for rows in found]
    if part.adapted is not None:
        proposals.append(sources.vectors.search(part.adapted, DEPTH)[1])
    trained = part.trained or [data.only(fold.train) for fold in part.folds]
    memories = [stored_questions(own).memory() for own in trained] if with_memory else []
    if memories:
        own = np.empty((len(part.queries), DEPTH), dtype=np.int64)
        for f, memory in enumerate(memories):
            inside = part.fold == f
            own[inside] = memory.propose(data.queries[part.queries[inside]], DEPTH)
        proposals.append(own)
    rows = union(proposals)
    blocks, order = [], []
    for f in range(len(part.folds)):
        inside = np.flatnonzero(part.fold == f)
        own = part.queries[inside]
        questions = Questions(
            data.queries[own],
            None if part.adapted is None else np.ascontiguousarray(part.adapted[inside]),
            None if data.query_texts is None else [data.query_texts[q] for q in own],
        )
        candidates = np.ascontiguousarray(rows[inside])
        blocks.append(gather(sources, questions, candidates, memories[f] if memories else None))
        order.append(inside)
    return [_stacked(blocks, np.argsort(np.concatenate(order)))]


def stored_questions(data: TrainingData) -> StoredQuestions:
    """The questions of all pairs."""
    texts = data.query_texts
    return StoredQuestions(
        np.ascontiguousarray(data.queries[data.pair_query]),
        data.pair_row,
        None if texts is None else [texts[q] for q in data.pair_query],
        data.language,
    )


def _stacked(blocks: Sequence[Legs], order: NDArray[np.int64] | None = None) -> Legs:
    """Blocks one after the other, padded to the same number of candidates."""
    width = max(block.rows.shape[1] for block in blocks)

    def joined(parts: list[NDArray[Any]], fill: float) -> NDArray[Any]:
        padded = [np.pad(p, ((0, 0), (0, width - p.shape[1])), constant_values=fill) for p in parts]
        whole = np.concatenate(padded)
        return whole if order is None else whole[order]

    names = blocks[0].scores
    scores = {name: joined([b.scores[name] for b in blocks], 0.0) for name in names}
    return Legs(np.ascontiguousarray(joined([b.rows for b in blocks], -1)), scores)


def _joined(parts: Sequence[Csr]) -> Csr:
    offsets, first = [np.zeros(1, dtype=np.int64)], 0
    for own, _, _ in parts:
        offsets.append(own[1:] + first)
        first += int(own[-1])
    rows, grades = (np.concatenate([part[i] for part in parts]) for i in (1, 2))
    return np.concatenate(offsets), rows, grades


def _grades(legs: Legs, csr: Csr) -> tuple[Floats, NDArray[np.int64]]:
    """Grades (N, c), -1 for padding, and the column of each relevant row (pairs,)."""
    offsets, rows, grades = csr
    entry = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    same = legs.rows[entry] == rows[:, None]
    column = np.where(same.any(axis=1), same.argmax(axis=1), -1)
    table = np.where(legs.mask, 0.0, -1.0).astype(np.float32)
    there = column >= 0
    table[entry[there], column[there]] = grades[there]
    return table, column
