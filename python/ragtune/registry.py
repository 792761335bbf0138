"""Which model serves: the newest promoted one whose file is what was written."""

from __future__ import annotations

import hashlib
import uuid
import warnings
from pathlib import Path
from typing import NamedTuple

from ragtune import _core
from ragtune.full_model import FullModel
from ragtune.model import Model, load
from ragtune.store import Store
from ragtune.types import CorruptFileError


class Serving(NamedTuple):
    """What serves while the store's counters are these; "" is no file's hash.

    `adapter` is the identity unless its verdict was `promote`. `full` is None unless what it
    serves is proven better than the frozen embeddings: what it learned, or its fixed mix.
    """

    counters: tuple[int, int]
    sha256: str
    adapter: _core.Adapter
    full: FullModel | None = None
    learned: bool = False


class Registry:
    """Model files of a memory and what the store says of them."""

    def __init__(self, store: Store, folder: Path) -> None:
        self._store = store
        self._folder = folder
        self._serving: Serving | None = None

    def publish(self, model: Model, run_id: str) -> int:
        """Keep a model and return its version; what of it was promoted serves.

        The file is complete on disk before the store speaks of it.
        """
        self._folder.mkdir(exist_ok=True)
        model_id = uuid.uuid4().hex
        path = self._folder / f"{model_id}.ragtune"
        model.space = self._store.vectors.space() or b""
        model.save(path)
        adapts = model.adapter_report.verdict.decision == "promote"
        return self._store.models.add(
            id=model_id,
            run_id=run_id,
            file=path.name,
            sha256=_sha256(path),
            verdict=model.report.verdict.decision,
            promoted=adapts or model.is_better_than_frozen,
        )

    def serving(self, dimension: int, counters: tuple[int, int]) -> Serving:
        """What serves; the identity if no promoted model can be read.

        Args:
            dimension: Dimension of the queries.
            counters: The store's state, so that files are read only when it changed.
        """
        serving = self._serving
        if serving is None or serving.counters != counters:
            serving = self._serving = self._newest_readable(dimension, counters)
        return serving

    def needs_sentences(self, dimension: int) -> bool:
        """Whether what serves looks at the sentences of chunks."""
        full = self.serving(dimension, self._store.counters()).full
        return full is not None and full.needs_parts

    def _newest_readable(self, dimension: int, counters: tuple[int, int]) -> Serving:
        space = self._store.vectors.space() or b""
        for row in self._store.models.promoted():
            if self._serving is not None and self._serving.sha256 == row["sha256"]:
                return self._serving._replace(counters=counters)
            path = self._folder / Path(row["file"]).name
            try:
                model = self._checked(path, row["sha256"], space)
            except (OSError, RuntimeError, ValueError, CorruptFileError) as error:
                warnings.warn(
                    f"model {row['version']} cannot serve, the one before does: {error}",
                    RuntimeWarning,
                    stacklevel=7,
                )
                continue
            full = model.full if model.is_better_than_frozen else None
            return Serving(counters, row["sha256"], model.adapter, full, model.is_promoted)
        return Serving(counters, "", _core.Adapter.identity(dimension))

    def _checked(self, path: Path, sha256: str, space: bytes) -> Model:
        if _sha256(path) != sha256:
            raise CorruptFileError(f"{path}: not the file that was published")
        model = load(path)
        if model.space != space:
            raise CorruptFileError(f"{path}: made for another embedding space")
        return model


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
