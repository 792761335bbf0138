"""Frozen embeddings beside what serves, on questions of the caller."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ragtune import _core
from ragtune.chunk_index import ChunkIndex
from ragtune.evaluation import Qrels, Run, Scores, evaluate, parse_metric
from ragtune.inputs import strings
from ragtune.legs import Sources
from ragtune.registry import Serving
from ragtune.report import Judged, Report, Verdict, compare
from ragtune.retrieval import Retrieval
from ragtune.space import EmbeddingSpace
from ragtune.store import Store
from ragtune.types import Progress


class Measuring:
    """Measures on questions that were not learned from."""

    def __init__(
        self, store: Store, space: EmbeddingSpace, index: ChunkIndex, retrieval: Retrieval
    ) -> None:
        self._store = store
        self._space = space
        self._index = index
        self._retrieval = retrieval

    def rankings(
        self, queries: Sequence[str], k: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Store rows (nq, k) that the frozen embeddings and what serves find, -1 padded."""
        vectors = self._space.questions(list(queries), None)
        state = self._index.fresh(vectors.shape[1])
        serving, sources = self._retrieval.serving(state, vectors.shape[1])
        return rankings(state.index, serving, sources, (vectors, list(queries)), k)

    def evaluate(self, questions: Questions, metrics: Sequence[str], coverage: float) -> Report:
        """Frozen embeddings against what serves; see `Memory.evaluate`."""
        index = (state := self._index.fresh(questions.vectors.shape[1])).index
        serving, sources = self._retrieval.serving(state, questions.vectors.shape[1])
        k = min(max(parse_metric(name)[1] for name in metrics), len(index))
        frozen, served = rankings(index, serving, sources, (questions.vectors, questions.texts), k)
        before, after = (evaluate(Run(rows), questions.qrels, metrics) for rows in (frozen, served))
        trained = {pair.chunk_row for pair in self._store.pairs.living()}
        seen = np.array(
            [any(row in trained for row in grades) for grades in questions.qrels.grades]
        )
        slices = compare(
            _part(before, after, questions.groups, seen),
            _part(before, after, questions.groups, ~seen),
            coverage=coverage,
        )
        verdict = (
            Verdict("hold", "no model serves")
            if serving.full is None and serving.adapter.is_identity
            else Verdict("promote", "the promoted model serves")
        )
        return Report(*slices, coverage=coverage, verdict=verdict)

    def questions(
        self,
        queries: Sequence[str],
        relevance: Sequence[Mapping[str, float]],
        progress: Progress | None,
    ) -> Questions:
        """Judged questions, embedded; those without a relevant chunk are left out."""
        texts = strings(queries, "queries")
        if len(relevance) != len(texts):
            raise ValueError(f"relevance: expected {len(texts)} mappings, got {len(relevance)}")
        known = self._store.chunks.rows_and_sources(
            list(dict.fromkeys(id_ for grades in relevance for id_ in grades))
        )
        for query, grades in enumerate(relevance):
            for id_ in grades:
                if id_ not in known:
                    raise ValueError(f"relevance[{query}]: expected ids of chunks, got {id_!r}")
        kept = [i for i, grades in enumerate(relevance) if any(g > 0 for g in grades.values())]
        if not kept:
            raise ValueError("relevance: expected at least one relevant chunk, got none")
        judged = [{known[id_]: grade for id_, grade in relevance[i].items()} for i in kept]
        sources = [max(grades, key=grades.__getitem__)[1] for grades in judged]
        _, groups = np.unique(sources, return_inverse=True)
        by_row = [{row: grade for (row, _), grade in grades.items()} for grades in judged]
        asked = [texts[i] for i in kept]
        vectors = self._space.questions(asked, progress)
        return Questions(vectors, asked, Qrels(by_row), groups)


def rankings(
    index: _core.Index,
    serving: Serving,
    sources: Sources,
    asked: tuple[NDArray[np.float32], list[str]],
    k: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows (nq, k) that the frozen embeddings and what serves find for (vectors, texts)."""
    vectors, texts = asked
    # Both in one call: then both are of one state of the index.
    both = np.concatenate([vectors, serving.adapter.apply(vectors)])
    _, found = index.search(both, k=k, recall=1.0)
    frozen, served = np.split(found, 2)
    if serving.full is not None:
        served = serving.full.rank(sources, vectors, texts, k, learned=serving.learned)[1]
    return frozen, served


@dataclass(frozen=True, slots=True)
class Questions:
    """Vectors (nq, d), texts, judgments by store row, and document group (nq,) of questions."""

    vectors: NDArray[np.float32]
    texts: list[str]
    qrels: Qrels
    groups: NDArray[np.int64]


def _part(
    before: Scores, after: Scores, groups: NDArray[np.int64], mask: NDArray[np.bool_]
) -> Judged:
    return Judged(
        {name: values[mask] for name, values in before.items()},
        {name: values[mask] for name, values in after.items()},
        groups[mask],
        np.flatnonzero(mask),
    )
