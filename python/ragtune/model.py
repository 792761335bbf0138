"""What training returns: two products with a report each, and how to use and keep them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ragtune import _core
from ragtune.arrays import as_count, as_queries, unit_rows
from ragtune.calibration import Calibration
from ragtune.full_model import FullModel
from ragtune.inputs import strings
from ragtune.legs import Sources
from ragtune.report import Report, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ragtune.explanation import Explanation
    from ragtune.overlay import Overlay

MAX_RANKED = 10_000

Floats = NDArray[np.float32]


class Model:
    """A query adapter, and where texts or parts were given a full ranking model.

    Each has a verdict of its own. Unless that is `promote`, `transform` behaves as the identity
    and `rank` as the best safe baseline do: a model that is not proven better changes nothing.
    """

    def __init__(
        self,
        adapter: Any,
        adapter_report: Report,
        *,
        sources: Sources | None = None,
        full: FullModel | None = None,
        full_report: Report | None = None,
        overlay: Overlay | None = None,
        calibration: Calibration | None = None,
        space: bytes = b"",
    ) -> None:
        """Take what was learned and the proof of its worth.

        Args:
            adapter: The learned query adapter, promoted or not.
            adapter_report: What it is worth alone.
            sources: The chunks that `rank` searches.
            full: The full model, over the same sources.
            full_report: What it is worth.
            overlay: Documents that moved, promoted or not; if they were, `sources` has them so.
            calibration: The chances that cosines speak of, where there is no full model.
            space: Signature of the embedding space; kept with the model.
        """
        self.learned = adapter
        self.adapter_report = adapter_report
        self.full = full
        self.full_report = full_report
        self.overlay = overlay
        self.calibration = calibration
        self.sources = sources
        self.space = space
        identity = _core.Adapter.identity(adapter.dimensions)
        self.adapter = adapter if _promoted(adapter_report) else identity

    def __repr__(self) -> str:
        verdict, name = self.report.verdict.decision, self.report.strategy
        return f"<ragtune.Model: {name}, {self.dimension} dimensions, {verdict}>"

    @property
    def report(self) -> Report:
        """Report of what `rank` would serve."""
        return self.full_report or self.adapter_report

    def with_report(self, report: Report) -> Model:
        """The same with more told of what it is worth; the verdict must be the same."""
        assert report.verdict == self.report.verdict
        full = self.full_report is not None
        return Model(
            self.learned,
            self.adapter_report if full else report,
            sources=self.sources,
            full=self.full,
            full_report=report if full else None,
            overlay=self.overlay,
            calibration=self.calibration,
            space=self.space,
        )

    def held(self, reason: str) -> Model:
        """The same with nothing of it proven: it serves as the frozen embeddings do."""
        verdict = Verdict("hold", reason)
        adapter = replace(self.adapter_report, verdict=verdict)
        full = self.full_report
        return Model(
            self.learned,
            adapter,
            sources=self.sources,
            full=self.full,
            full_report=None if full is None else replace(full, verdict=verdict, frozen=None),
            overlay=self.overlay,
            calibration=self.calibration,
            space=self.space,
        )

    @property
    def is_promoted(self) -> bool:
        """Whether `rank` serves what was learned."""
        return _promoted(self.report)

    @property
    def is_better_than_frozen(self) -> bool:
        """Whether what `rank` serves is proven better than the frozen embeddings."""
        if self.is_promoted or self.full_report is None or self.full_report.frozen is None:
            return self.is_promoted
        return self.full_report.frozen["ndcg@10"].lower > 0

    @property
    def dimension(self) -> int:
        """Dimension of the queries."""
        return int(self.learned.dimensions)

    def transform(self, query_embeddings: ArrayLike) -> Floats:
        """Adapt queries (nq, d) or (d,); rows of unit length, same shape as given.

        Raises:
            TypeError: The values are not real.
            ValueError: The dimension differs or a value is not finite.
        """
        queries = as_queries(query_embeddings, "query_embeddings", dimension=self.dimension)
        adapted = self.adapter.apply(queries)
        return adapted[0] if np.ndim(query_embeddings) == 1 else adapted

    def rank(
        self,
        query_embeddings: ArrayLike,
        queries: Sequence[str] | str | None = None,
        k: int = 10,
    ) -> tuple[Floats, NDArray[np.int64]]:
        """Scores and corpus rows of the k best, (nq, k) each, best first, -1 padded.

        Beyond 10,000 there are as many columns as the corpus has rows, if k asks for so many.

        Args:
            query_embeddings: (nq, d) or (d,).
            queries: Their texts, (nq,). A full model that was learned with texts needs them;
                without, the query-only adapter ranks, if it was promoted.
            k: How many.

        Raises:
            TypeError: The values are not real, or a query is not a string.
            ValueError: The dimension differs, a value is not finite, k < 1, there are more or
                fewer texts, or the model has no corpus.
        """
        if isinstance(queries, int | np.integer):
            raise TypeError("queries: expected texts, got a number; k goes by name")
        if self.sources is None:
            raise ValueError("corpus_embeddings: expected by load() if rank() is to be used")
        vectors = as_queries(query_embeddings, "query_embeddings", dimension=self.dimension)
        wanted = as_count(k, "k")
        if isinstance(queries, str):
            queries = [queries]
        texts = None if queries is None else list(strings(queries, "queries", len(vectors)))
        if not len(vectors):
            return np.empty((0, wanted), np.float32), np.empty((0, wanted), np.int64)
        if self.full is None or (texts is None and self.full.needs_texts):
            return self._nearest(vectors, wanted)
        scores, rows = self.full.rank(
            self.sources, unit_rows(vectors), texts, min(wanted, MAX_RANKED),
            learned=self.is_promoted,
        )  # fmt: skip
        return scores, rows

    def relevance(self, scores: ArrayLike) -> NDArray[np.float64] | None:
        """Chances in [0, 1] that what `rank` gave these scores is relevant; same shape.

        Fitted on held-out questions, where what nobody judged counts as not relevant. None where
        too few were judged.
        """
        curve = self.calibration
        if self.full is not None:
            curve = (self.full.fusion if self.is_promoted else self.full.baseline).calibration
        return None if curve is None else curve(scores)

    def explain(
        self, query_embedding: ArrayLike, query: str | None = None, k: int = 10
    ) -> Explanation:
        """Why the k best chunks of one question stand where they stand, promoted or not.

        Raises:
            TypeError: The values are not real, or the query is not a string.
            ValueError: The dimension differs, a value is not finite, k < 1, or there is no full
                model, no corpus, or no text though the model was learned with texts.
        """
        from ragtune.explanation import explain

        if self.full is None or self.sources is None:
            raise ValueError("model: expected a full model with its corpus, see fit(texts=...)")
        if query is None and self.full.needs_texts:
            raise ValueError("query: expected the question's text, got None")
        vector = as_queries(query_embedding, "query_embedding", dimension=self.dimension)
        if len(vector) != 1:
            raise ValueError(f"query_embedding: expected one query, got {len(vector)}")
        texts = None if query is None else list(strings([query], "query"))
        return explain(self.full, self.sources, unit_rows(vector), texts, as_count(k, "k"))

    def _nearest(self, vectors: Floats, k: int) -> tuple[Floats, NDArray[np.int64]]:
        assert self.sources is not None
        scores, rows = self.sources.vectors.search(self.adapter.apply(vectors), k)
        missing = min(k, MAX_RANKED) - scores.shape[1]
        if missing > 0:
            scores = np.pad(scores, ((0, 0), (0, missing)), constant_values=-np.inf)
            rows = np.pad(rows, ((0, 0), (0, missing)), constant_values=-1)
        return scores, rows

    def save(self, path: str | Path) -> None:
        """Write everything that `rank` and `transform` need to one checksummed file, atomically.

        Raises:
            RuntimeError: The file cannot be written.
        """
        from ragtune.model_file import write

        write(self, path)


def load(path: str | Path, corpus_embeddings: ArrayLike | None = None) -> Model:
    """Read a model that `Model.save` wrote.

    Args:
        path: The file.
        corpus_embeddings: (n, d), in place of those in the file.

    Raises:
        FileNotFoundError: There is no such file.
        CorruptFileError: It is not what was written, or not a model.
        ValueError: The corpus has another dimension.
    """
    from ragtune.model_file import read

    return read(path, corpus_embeddings)


def _promoted(report: Report) -> bool:
    return report.verdict.decision == "promote"
