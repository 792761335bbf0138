"""Tuning on what a memory holds."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ragtune import _core
from ragtune.arrays import unit_rows
from ragtune.evaluation import Qrels, Run, evaluate
from ragtune.model import Model
from ragtune.registry import Lineage, Registry
from ragtune.report import Report
from ragtune.space import EmbeddingSpace
from ragtune.store import Claim, Store, StoredPair, data_hash
from ragtune.store.pairs import EXTRACTIVE
from ragtune.store.runs import LEASE_S
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

    strategy: str = "auto"
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    coverage: float = 0.5
    seed: int = 0
    sentences: bool = True
    learning_curve: bool = False

    @property
    def look_at_sentences(self) -> bool:
        """Whether the sentences of chunks are learned on."""
        return self.sentences and self.strategy in ("auto", "fusion")

    def to_dict(self) -> dict[str, Any]:
        """The options as what JSON can hold."""
        return asdict(self) | {"hyperparameters": dict(self.hyperparameters)}


@dataclass(frozen=True, slots=True)
class Split:
    """Share of the questions to hold out, at least, and the depths to measure at."""

    share: float = 0.1
    ks: Sequence[int] = (1, 3, 5, 10)


class Corpus(NamedTuple):
    """Rows (n,), sources, vectors (n, d) and texts of the living chunks."""

    rows: NDArray[np.int64]
    sources: Sequence[str]
    vectors: NDArray[np.float32]
    texts: Sequence[str]


class Learning:
    """Runs over the pairs of a store."""

    def __init__(self, store: Store, space: EmbeddingSpace, registry: Registry) -> None:
        self._store = store
        self._space = space
        self._registry = registry

    def tune(self, options: Options, progress: Progress | None) -> TuningRun:
        """One run over all pairs, from its row in the store to a published model."""
        return self.train(self._store.runs.add(status="generated"), options, progress)

    def train(
        self,
        run_id: str,
        options: Options,
        progress: Progress | None,
        claim: Claim | None = None,
    ) -> TuningRun:
        """Learn from the pairs of a run and of all completed ones, and publish the model.

        Args:
            run_id: A run that is `generated`; with a claim it is `training` already.
            options: How to learn.
            progress: Called with (done, total).
            claim: The job that this is. Then its worker decides what a failure means.

        Raises:
            LostClaimError: Another worker has the job, or it was cancelled.
            ValueError: The run is not `generated`, or there is nothing to learn from.
        """
        started_at = datetime.now(timezone.utc)  # a chunk that is added from now on is new
        pairs = self._store.pairs.living(run_id)
        facts: dict[str, Any] = {
            "strategy": options.strategy,
            "seed": options.seed,
            "hyperparameters": dict(options.hyperparameters),
            "data_hash": data_hash(pairs),
            "pair_count": len(pairs),
        }
        if claim is None:
            self._store.runs.move(run_id, "generated", "training", started_at=started_at, **facts)
        try:
            with _alive(self._store, run_id):
                model = self._learn(pairs, options, progress)
                ended = facts | {
                    "started_at": started_at,
                    "report": model.report.to_json(),
                    "metrics": summary(model.report),
                }
                version = self._registry.publish(
                    model, run_id, Lineage(options.to_dict(), facts["data_hash"]), ended, claim
                )
        except BaseException as error:
            if claim is None:
                status = "failed" if isinstance(error, Exception) else "cancelled"
                self._store.runs.end(run_id, status, error=f"{type(error).__name__}: {error}")
            raise
        promoted = model.is_better_than_frozen
        return TuningRun(run_id, "completed", model.report, len(pairs), version, promoted)

    def hold_out(self, run_id: str, options: Options, split: Split) -> dict[str, Any]:
        """Learn from part of a run's questions, and measure on those that were held out.

        Returns:
            `questions`, `held_out`, and for each metric what the frozen embeddings and what
            would be served reach on questions about documents that nothing was learned of.
        """
        pairs = self._store.pairs.living(run_id)
        corpus, grades = self._judged(pairs)
        held = held_out(grades, corpus.sources, split.share, options.seed)
        vectors = self._space.questions(list(grades), None)
        names, wanted = list(grades), np.isin(list(grades), list(held))
        known = [names[i] for i in np.flatnonzero(~wanted)]
        model = self._fit(corpus, {q: grades[q] for q in known}, vectors[~wanted], options, None)
        asked = [names[i] for i in np.flatnonzero(wanted)]
        qrels, k = Qrels([grades[q] for q in asked]), max(split.ks)
        metrics = [f"{name}@{k}" for k in split.ks for name in ("recall", "ndcg")]
        frozen = _core.exact_search(unit_rows(corpus.vectors), unit_rows(vectors[wanted]), k=k)[1]
        served = model.rank(vectors[wanted], asked, k)[1]
        before, after = (evaluate(Run(rows), qrels, metrics) for rows in (frozen, served))
        return {
            "questions": len(known),
            "held_out": len(asked),
            "before": {name: float(before[name].mean()) for name in metrics},
            "after": {name: float(after[name].mean()) for name in metrics},
        }

    def _learn(
        self, pairs: Sequence[StoredPair], options: Options, progress: Progress | None
    ) -> Model:
        corpus, grades = self._judged(pairs)
        vectors = self._space.questions(list(grades), progress)
        model = self._fit(corpus, grades, vectors, options, progress)
        if all(pair.source == EXTRACTIVE for pair in pairs):
            model = model.held("pseudo-questions prove nothing about what people ask")
        model.sources = None  # the store has them
        if model.full is not None:
            model.full = model.full.by_row(corpus.rows)
        return model

    def _judged(self, pairs: Sequence[StoredPair]) -> tuple[Corpus, dict[str, dict[int, float]]]:
        """All chunks, and for each question its grades by position among them."""
        if not pairs:
            raise ValueError("pairs: expected at least one, got none; see Memory.add_pairs")
        rows, sources, vectors, texts = zip(*self._store.chunks.living(), strict=True)
        position = {row: i for i, row in enumerate(rows)}
        grades: dict[str, dict[int, float]] = {}
        for pair in pairs:
            if pair.chunk_row in position:  # else it was deleted since
                grades.setdefault(pair.question, {})[position[pair.chunk_row]] = pair.relevance
        matrix = np.frombuffer(b"".join(vectors), dtype=np.float32).reshape(len(rows), -1)
        return Corpus(np.array(rows, dtype=np.int64), sources, matrix, texts), grades

    def _fit(
        self,
        corpus: Corpus,
        grades: Mapping[str, Mapping[int, float]],
        questions: NDArray[np.float32],
        options: Options,
        progress: Progress | None,
    ) -> Model:
        return fit(
            corpus.vectors,
            questions,
            list(grades.values()),
            texts=corpus.texts,
            queries=list(grades),
            parts=self._parts(corpus, options, progress),
            groups=corpus.sources,
            strategy=options.strategy,
            hyperparameters=options.hyperparameters,
            coverage=options.coverage,
            seed=options.seed,
            learning_curve=options.learning_curve,
            progress=progress,
        )

    def _parts(
        self, corpus: Corpus, options: Options, progress: Progress | None
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]] | None:
        """Sentences of the chunks and their places in the corpus, whose rows rise; None without."""
        if not options.look_at_sentences:
            return None
        if self._space.can_embed:
            self._space.make_sentences(progress)
        elif self._store.sentences.missing():
            return None
        found, _ = self._store.sentences.since(0, corpus.vectors.shape[1])
        kept = np.isin(found.rows, corpus.rows)
        if not kept.any():
            return None
        return found.vectors[kept], np.searchsorted(corpus.rows, found.rows[kept])


def summary(report: Report) -> dict[str, Any]:
    """Before and after of each metric by slice, and the verdict, as what JSON can hold."""
    slices = {
        name: {
            metric: {"before": change.before, "after": change.after}
            for metric, change in part.changes.items()
        }
        for name, part in report.slices.items()
    }
    return {"verdict": report.verdict.decision, "slices": slices}


def held_out(
    grades: Mapping[str, Mapping[int, float]], sources: Sequence[str], share: float, seed: int
) -> set[str]:
    """Questions to hold out: whole documents until they are at least `share` of all.

    Raises:
        ValueError: The share is out of range, or there are no two documents to tell apart.
    """
    if not 0.1 <= share <= 0.5:
        raise ValueError(f"share: expected 0.1 to 0.5, got {share}")
    by_source: dict[str, list[str]] = {}
    for question, rows in grades.items():
        by_source.setdefault(sources[max(rows, key=rows.__getitem__)], []).append(question)
    if len(by_source) < 2:
        raise ValueError(
            f"pairs: expected questions about two documents or more, got {len(by_source)}"
        )
    order = np.random.default_rng(seed).permutation(sorted(by_source))
    held: set[str] = set()
    for source in order[:-1]:
        if len(held) >= share * len(grades):
            break
        held.update(by_source[source])
    return held


@contextmanager
def _alive(store: Store, run_id: str) -> Iterator[None]:
    """Tell the store now and then that a run is worked on."""
    ended = threading.Event()

    def beat() -> None:
        while not ended.wait(LEASE_S / 4):
            store.runs.progress(run_id)

    thread = threading.Thread(target=beat, name="ragtune-run", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
