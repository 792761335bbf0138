"""What training returns: an adapter, its report, and how to use and keep it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ragtune import _core
from ragtune.arrays import as_count, as_matrix, as_queries, unit_rows
from ragtune.report import Report
from ragtune.types import CorruptFileError


class Model:
    """A learned query adapter with the proof of its worth.

    Unless the verdict is `promote`, `transform` and `rank` behave as the frozen embeddings
    do: a model that is not proven better changes nothing.
    """

    def __init__(
        self,
        weights: NDArray[np.float32],
        report: Report,
        *,
        corpus: NDArray[np.float32] | None = None,
        space: bytes = b"",
    ) -> None:
        """Take the learned matrix (d, d) and its report.

        Args:
            weights: q' = q W.
            report: What the adapter is worth.
            corpus: Unit-length embeddings (n, d) that `rank` searches.
            space: Signature of the embedding space; kept with the model.
        """
        self.learned = _core.Adapter.linear(weights)
        self.report = report
        self.space = space
        self._corpus = corpus
        identity = _core.Adapter.identity(weights.shape[0])
        self.adapter = self.learned if report.verdict.decision == "promote" else identity

    def __repr__(self) -> str:
        verdict = self.report.verdict.decision
        return f"<ragtune.Model: {self.report.strategy}, {self.dimension} dimensions, {verdict}>"

    @property
    def dimension(self) -> int:
        """Dimension of the queries."""
        return self.learned.dimensions

    def transform(self, query_embeddings: ArrayLike) -> NDArray[np.float32]:
        """Adapt queries (nq, d) or (d,); rows of unit length, same shape as given.

        Raises:
            TypeError: The values are not real.
            ValueError: The dimension differs or a value is not finite.
        """
        queries = as_queries(query_embeddings, "query_embeddings", dimension=self.dimension)
        adapted = self.adapter.apply(queries)
        return adapted[0] if np.ndim(query_embeddings) == 1 else adapted

    def rank(
        self, query_embeddings: ArrayLike, k: int = 10
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Scores and corpus rows of the k best, (nq, k) each, best first, -1 padded.

        Raises:
            TypeError: The values are not real.
            ValueError: The dimension differs, a value is not finite, k < 1, or the model was
                loaded without its corpus.
        """
        if self._corpus is None:
            raise ValueError("corpus_embeddings: expected by load() if rank() is to be used")
        queries = as_queries(query_embeddings, "query_embeddings", dimension=self.dimension)
        wanted = as_count(k, "k")
        scores, rows = _core.exact_search(
            self._corpus, self.adapter.apply(queries), k=min(wanted, max(len(self._corpus), 1))
        )
        missing = min(wanted, 10_000) - scores.shape[1]
        if missing > 0:
            scores = np.pad(scores, ((0, 0), (0, missing)), constant_values=-np.inf)
            rows = np.pad(rows, ((0, 0), (0, missing)), constant_values=-1)
        return scores, rows

    def save(self, path: str | Path) -> None:
        """Write the adapter and its report to one checksummed file, atomically.

        Raises:
            RuntimeError: The file cannot be written.
        """
        arrays: dict[str, NDArray[Any]] = {
            "weights": np.ascontiguousarray(self.learned.matrix()),
            "report": _bytes_row(self.report.to_json().encode()),
            "space": _bytes_row(self.space),
        }
        _core.write_artifact(str(path), arrays)


def load(path: str | Path, corpus_embeddings: ArrayLike | None = None) -> Model:
    """Read a model that `Model.save` wrote; `corpus_embeddings` (n, d) make `rank` work.

    Raises:
        FileNotFoundError: There is no such file.
        CorruptFileError: It is not what was written, or not a model.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"{path}: expected a model file")
    arrays: dict[str, Any] = _core.read_artifact(str(path))
    try:
        weights = arrays["weights"]
        report = Report.from_json(arrays["report"].tobytes().decode())
        space = arrays["space"].tobytes()
        corpus = None
        if corpus_embeddings is not None:
            dimension = weights.shape[1]
            corpus = unit_rows(
                as_matrix(corpus_embeddings, "corpus_embeddings", dimension=dimension)
            )
        return Model(weights, report, corpus=corpus, space=space)
    except (KeyError, TypeError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise CorruptFileError(f"{path}: not a model: {error!r}") from None


def _bytes_row(data: bytes) -> NDArray[np.uint8]:
    return np.frombuffer(data, dtype=np.uint8).reshape(1, -1)
