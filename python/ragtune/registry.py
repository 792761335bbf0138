"""Which model serves: the newest promoted one whose file is what was written."""

from __future__ import annotations

import hashlib
import json
import uuid
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ragtune import _core
from ragtune.full_model import FullModel
from ragtune.model import Model, load
from ragtune.store import Claim, Store
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


class Lineage(NamedTuple):
    """How a model was learned, and the hash of what it was learned from."""

    options: Mapping[str, Any]
    data_hash: str


class Registry:
    """Model files of a memory and what the store says of them."""

    def __init__(self, store: Store, folder: Path) -> None:
        self._store = store
        self._folder = folder
        self._serving: Serving | None = None
        self._by_hand = False  # whether that was promoted by a person

    @property
    def folder(self) -> Path:
        """Where the files are."""
        return self._folder

    def publish(
        self,
        model: Model,
        run_id: str,
        lineage: Lineage,
        run: Mapping[str, Any],
        claim: Claim | None = None,
    ) -> int:
        """Keep a model and return its version; what of it was promoted serves.

        The file is complete on disk before the store speaks of it, and gone if it will not.

        Args:
            model: What was learned.
            run_id: The run that it came of, which is completed by this.
            lineage: What it was learned from, and how.
            run: Further columns of the run.
            claim: The job that it comes from, if it does.

        Raises:
            LostClaimError: Another worker has the job, or it was cancelled.
        """
        self._folder.mkdir(exist_ok=True)
        model_id = uuid.uuid4().hex
        prefix = f"{claim.job_id}-{claim.attempt}-" if claim else ""  # see `jobs.worker`
        path = self._folder / f"{prefix}{model_id[:12] if claim else model_id}.ragtune"
        model.space = self._store.vectors.space() or b""
        model.save(path)
        adapts = model.adapter_report.verdict.decision == "promote"
        row = {
            "id": model_id,
            "run_id": run_id,
            "file": path.name,
            "sha256": sha256_of(path),
            "verdict": model.report.verdict.decision,
            "promoted": adapts or model.is_better_than_frozen,
            **described(model),
            "options": dict(lineage.options),
            "data_hash": lineage.data_hash,
        }
        try:
            return self._store.models.publish(row, run, claim)
        except BaseException:
            path.unlink(missing_ok=True)
            raise

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

    def _newest_readable(self, dimension: int, counters: tuple[int, int]) -> Serving:
        space = self._store.vectors.space() or b""
        for row in self._store.models.promoted():
            same = self._serving is not None and self._serving.sha256 == row["sha256"]
            if same and self._by_hand == row["by_hand"]:
                assert self._serving is not None
                return self._serving._replace(counters=counters)
            path = self._folder / Path(row["file"]).name
            try:
                model = self.checked(path, row["sha256"], space)
            except (OSError, RuntimeError, ValueError, CorruptFileError) as error:
                warnings.warn(
                    f"model {row['version']} cannot serve, the one before does: {error}",
                    RuntimeWarning,
                    stacklevel=7,
                )
                continue
            self._by_hand = row["by_hand"]
            if row["by_hand"]:  # then also what was not proven
                return Serving(counters, row["sha256"], model.learned, model.full, True)
            full = model.full if model.is_better_than_frozen else None
            return Serving(counters, row["sha256"], model.adapter, full, model.is_promoted)
        return Serving(counters, "", _core.Adapter.identity(dimension))

    def checked(self, path: Path, sha256: str, space: bytes) -> Model:
        """The model in a file.

        Raises:
            CorruptFileError: It is not the file that was published, or of another space.
            OSError: It cannot be read.
        """
        if sha256_of(path) != sha256:
            raise CorruptFileError(f"{path}: not the file that was published")
        model = load(path)
        if model.space != space:
            raise CorruptFileError(f"{path}: made for another embedding space")
        return model


def described(model: Model) -> dict[str, Any]:
    """Strategy, seed and the reports of both products of a model."""
    metrics = {"adapter": json.loads(model.adapter_report.to_json())}
    if model.full_report is not None:
        metrics["full"] = json.loads(model.full_report.to_json())
    report = model.report
    return {"strategy": report.strategy, "seed": report.seed, "metrics": metrics}


def sha256_of(path: Path) -> str:
    """Hash of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
