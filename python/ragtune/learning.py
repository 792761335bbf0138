"""Tuning and evaluation on what a memory holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ragtune import _core
from ragtune.evaluation import Qrels, Run, Scores, evaluate, parse_metric
from ragtune.inputs import strings
from ragtune.legs import Sources
from ragtune.model import Model
from ragtune.registry import Registry, Serving
from ragtune.report import Judged, Report, Verdict, compare
from ragtune.space import EmbeddingSpace
from ragtune.store import Store, StoredPair, data_hash
from ragtune.tuning import fit
from ragtune.types import Progress


@dataclass(frozen=True, slots=True)
class TuningRun:
    """How one tuning ended: its status, its report, and the version of its model.

    `promoted` tells whether searches are served by it: by what it learned if that was its verdict,
    else by its fixed mix of vectors and words if that is proven better than vectors alone.
    """

    id: str
    status: str
    report: Report
    pair_count: int
    version: int
    promoted: bool

    def _repr_html_(self) -> str:
        served = "now serving" if self.promoted else "not served"
        return f"<p>run {self.id}, model {self.version}: {served}</p>{self.report._repr_html_()}"


@dataclass(frozen=True, slots=True)
class Options:
    """How to learn; see `ragtune.fit`."""

    strategy: str
    hyperparameters: Mapping[str, Any]
    coverage: float
    seed: int
    sentences: bool = True
    learning_curve: bool = False


class Learning:
    """Runs over the pairs of a store."""

    def __init__(self, store: Store, space: EmbeddingSpace, registry: Registry) -> None:
        self._store = store
        self._space = space
        self._registry = registry

    def tune(self, options: Options, progress: Progress | None) -> TuningRun:
        """One run, from its row in the store to a published model; see `Memory.tune`."""
        pairs = self._store.pairs.living()
        run_id = self._store.runs.add(
            status="training",
            strategy=options.strategy,
            seed=options.seed,
            hyperparameters=dict(options.hyperparameters),
            data_hash=data_hash(pairs),
            pair_count=len(pairs),
        )
        try:
            model = self._learn(pairs, options, progress)
            version = self._registry.publish(model, run_id)
        except BaseException as error:
            status = "failed" if isinstance(error, Exception) else "cancelled"
            self._store.runs.end(run_id, status, error=f"{type(error).__name__}: {error}")
            raise
        self._store.runs.end(run_id, "completed", report=model.report.to_json())
        promoted = model.is_better_than_frozen
        return TuningRun(run_id, "completed", model.report, len(pairs), version, promoted)

    def _learn(
        self, pairs: Sequence[StoredPair], options: Options, progress: Progress | None
    ) -> Model:
        if not pairs:
            raise ValueError("pairs: expected at least one, got none; see Memory.add_pairs")
        rows, sources, vectors, texts = zip(*self._store.chunks.living(), strict=True)
        position = {row: i for i, row in enumerate(rows)}
        grades: dict[str, dict[int, float]] = {}
        for pair in pairs:
            grades.setdefault(pair.question, {})[position[pair.chunk_row]] = pair.relevance
        dimension = len(vectors[0]) // np.dtype(np.float32).itemsize
        parts = self._parts(rows, dimension, options, progress)
        model = fit(
            np.frombuffer(b"".join(vectors), dtype=np.float32).reshape(len(rows), -1),
            self._space.questions(list(grades), progress),
            list(grades.values()),
            texts=texts,
            queries=list(grades),
            parts=parts,
            groups=sources,
            strategy=options.strategy,
            hyperparameters=options.hyperparameters,
            coverage=options.coverage,
            seed=options.seed,
            learning_curve=options.learning_curve,
            progress=progress,
        )
        model.sources = None  # the store has them
        if model.full is not None:
            model.full = model.full.by_row(np.array(rows, dtype=np.int64))
        return model

    def _parts(
        self, rows: Sequence[int], dimension: int, options: Options, progress: Progress | None
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]] | None:
        """Sentences of the chunks and their places among `rows`, which rise; None without."""
        looks = options.sentences and options.strategy in ("auto", "fusion")
        if not looks or not self._space.can_embed:
            return None
        self._space.make_sentences(progress)
        found, _ = self._store.sentences.since(0, dimension)
        kept = np.isin(found.rows, rows)
        if not kept.any():
            return None
        return found.vectors[kept], np.searchsorted(rows, found.rows[kept])

    def evaluate(
        self,
        index: _core.Index,
        serving: Serving,
        sources: Sources,
        questions: Questions,
        metrics: Sequence[str],
        coverage: float,
    ) -> Report:
        """Frozen embeddings against what serves; see `Memory.evaluate`."""
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
