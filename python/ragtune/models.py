"""`memory.models`: versions of what was learned, and which of them serves."""

from __future__ import annotations

import shutil
import uuid
from pathlib import Path
from typing import Any

from ragtune.model import load
from ragtune.registry import Registry, described, sha256_of
from ragtune.store import Store
from ragtune.types import EmbedderMismatchError

_SHOWN = ("version", "verdict", "promoted", "by_hand", "strategy", "seed", "data_hash", "run_id",
          "created_at", "promoted_at")  # fmt: skip


class Models:
    """Models of a memory. The one that was promoted last serves, unless its file is damaged."""

    def __init__(self, store: Store, registry: Registry) -> None:
        self._store = store
        self._registry = registry

    def list(self) -> list[dict[str, Any]]:
        """All models, newest first, and whether each one `serves`."""
        serving = self.serving()
        return [self._described(row, serving) for row in self._store.models.list()]

    def get(self, version: int) -> dict[str, Any]:
        """A model: metrics and reports of both products, and its lineage.

        Raises:
            ValueError: There is none of that version.
        """
        row = self._store.models.get(version)
        versions = {model["id"]: model["version"] for model in self._store.models.list()}
        shown = self._described(row, self.serving())
        return shown | {
            "options": row["options"],
            "metrics": row["metrics"],
            "parent": versions.get(row["parent"]),
            "sha256": row["sha256"],
        }

    def serving(self) -> int | None:
        """Version of the model that searches use with deep memory, None if none does."""
        space = self._store.vectors.space() or b""
        for row in self._store.models.promoted():
            if self._reason(row, space) is None:
                return int(row["version"])
        return None

    def check(self, version: int) -> str | None:
        """Why a model cannot serve: its file is missing, damaged or of another space."""
        row = self._store.models.get(version)
        return self._reason(row, self._store.vectors.space() or b"")

    def promote(self, version: int) -> None:
        """Let a model serve what it learned, whatever its verdict.

        Raises:
            ValueError: There is none of that version, or it cannot serve.
        """
        reason = self.check(version)
        if reason is not None:
            raise ValueError(f"model {version}: expected one that can serve: {reason}")
        self._store.models.promote(version)

    def roll_back(self) -> int | None:
        """Let the model that was promoted before serve; returns its version, None for none.

        Raises:
            ValueError: No model serves.
        """
        promoted = self._store.models.promoted()
        if not promoted:
            raise ValueError("models: expected one that serves, got none")
        serving = self.serving()
        for row in promoted:  # what cannot serve is passed over, and so taken back too
            self._store.models.take_back(row["version"])
            if serving in (None, row["version"]):
                break
        return self.serving()

    def delete(self, version: int) -> None:
        """Erase a model and its file; if it served, the one before does.

        Raises:
            ValueError: There is none of that version.
        """
        row = self._store.models.get(version)
        self._store.models.delete(version)
        self._path(row).unlink(missing_ok=True)

    def export(self, version: int, path: str | Path) -> Path:
        """Copy a model into a file that `import_` and `ragtune.load` read.

        Raises:
            CorruptFileError: The model's file is not what was published.
            FileExistsError: There is something at `path`.
            OSError: A file cannot be read or written.
            ValueError: There is none of that version.
        """
        row, target = self._store.models.get(version), Path(path)
        self._registry.checked(self._path(row), row["sha256"], self._store.vectors.space() or b"")
        if target.exists():
            raise FileExistsError(f"{target}: expected a new file")
        shutil.copyfile(self._path(row), target)
        return target

    def import_(self, path: str | Path) -> int:
        """Take over a model from a file and return its version; `promote` lets it serve.

        Raises:
            CorruptFileError: It is not a model, or damaged.
            EmbedderMismatchError: It was made for another embedding space.
            FileNotFoundError: There is no such file.
        """
        model = load(path)
        space = self._store.vectors.space()
        if space is None or model.space != space:
            raise EmbedderMismatchError(
                f"{path}: expected a model of this memory's embedding space, got another's"
            )
        model_id = uuid.uuid4().hex
        target = self._registry.folder / f"{model_id}.ragtune"
        target.parent.mkdir(exist_ok=True)
        shutil.copyfile(path, target)
        report = model.report
        run_id = self._store.runs.add(
            status="completed",
            strategy="imported",
            seed=report.seed,
            report=report.to_json(),
            options={"imported": Path(path).name},
        )
        return self._store.models.add(
            id=model_id,
            run_id=run_id,
            file=target.name,
            sha256=sha256_of(target),
            verdict=report.verdict.decision,
            promoted=False,
            options={"imported": Path(path).name},
            **described(model),
        )

    def _described(self, row: dict[str, Any], serving: int | None) -> dict[str, Any]:
        return {name: row[name] for name in _SHOWN} | {"serves": row["version"] == serving}

    def _path(self, row: dict[str, Any]) -> Path:
        return self._registry.folder / Path(row["file"]).name

    def _reason(self, row: dict[str, Any], space: bytes) -> str | None:
        try:
            self._registry.checked(self._path(row), row["sha256"], space)
        except Exception as error:  # whatever is wrong with a file, it does not serve
            return str(error) or type(error).__name__
        return None
