"""Versions of models: which may serve, where they come from, and which were taken back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, func, insert, select, update

from ragtune.store.claims import Claim, check_claim, end_claimed
from ragtune.store.database import Database, as_dict, next_change, now
from ragtune.store.runs import expect_run, move_run
from ragtune.store.schema import models
from ragtune.store.settings import set_settings


class ModelTable:
    """Models of one owner."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, **values: Any) -> int:
        """Write a model and return its version; it changes what searches see if promoted."""
        with self._database.writing() as connection:
            return self._add(connection, values)

    def publish(
        self, model: Mapping[str, Any], run: Mapping[str, Any], claim: Claim | None = None
    ) -> int:
        """Write a model, that its run is completed, and that its job is ready: all or nothing.

        Args:
            model: Columns of the model, with its run_id.
            run: Further columns of the run.
            claim: The job that the model comes from, as its worker took it.

        Raises:
            LostClaimError: Another worker has the job, or it was cancelled.
            ValueError: The run is not training.
        """
        run_id = model["run_id"]
        with self._database.writing() as connection:
            if claim is not None:
                check_claim(connection, self._database, claim)
            expect_run(connection, self._database, run_id, ("training",))
            version = self._add(connection, model)
            move_run(connection, self._database, run_id, ("training",), "completed", **run)
            if claim is not None:
                result = {"run_id": run_id, "version": version, "promoted": model["promoted"]}
                end_claimed(connection, self._database, claim, "ready", result=result)
            trained_at = run.get("started_at") or now()
            set_settings(connection, self._database, last_trained_at=trained_at, last_run_id=run_id)
        return version

    def _add(self, connection: Connection, values: Mapping[str, Any]) -> int:
        latest = select(func.max(models.c.version)).where(self._database.own(models))
        version = (connection.execute(latest).scalar_one() or 0) + 1
        serving = connection.execute(self._promoted().limit(1)).mappings().first()
        moment = now()
        row = {
            "parent": serving["id"] if serving else None,
            "promoted_at": moment if values["promoted"] else None,
        }
        own = {"owner": self._database.owner, "version": version, "created_at": moment}
        connection.execute(insert(models).values(row | dict(values) | own))
        next_change(connection)
        return version

    def promoted(self) -> list[dict[str, Any]]:
        """Models that may serve, the latest promoted first; the others are to fall back to."""
        with self._database.reading() as connection:
            return [as_dict(row) for row in connection.execute(self._promoted()).mappings()]

    def _promoted(self) -> Any:
        mine = self._database.own(models), models.c.promoted, models.c.deleted_at.is_(None)
        return select(models).where(*mine).order_by(
            models.c.promoted_at.desc(), models.c.version.desc()
        )  # fmt: skip

    def list(self) -> list[dict[str, Any]]:
        """All models that were not deleted, newest first."""
        mine = self._database.own(models), models.c.deleted_at.is_(None)
        query = select(models).where(*mine).order_by(models.c.version.desc())
        with self._database.reading() as connection:
            return [as_dict(row) for row in connection.execute(query).mappings()]

    def get(self, version: int) -> dict[str, Any]:
        """A model by version.

        Raises:
            ValueError: There is none, or it was deleted.
        """
        with self._database.reading() as connection:
            return self._get(connection, version)

    def files(self) -> set[str]:
        """Names of the files that some model, deleted or not, is in."""
        query = select(models.c.file).where(self._database.own(models))
        with self._database.reading() as connection:
            return set(connection.execute(query).scalars())

    def promote(self, version: int) -> None:
        """Let a model serve what it learned, whatever its verdict."""
        self._change(version, promoted=True, promoted_at=now(), by_hand=True)

    def take_back(self, version: int) -> None:
        """Let a model serve no longer; the one that was promoted before does."""
        self._change(version, promoted=False, promoted_at=None, by_hand=False)

    def delete(self, version: int) -> None:
        """Hide a model for good; its row stays for the lineage of others."""
        self._change(version, promoted=False, promoted_at=None, deleted_at=now())

    def _change(self, version: int, **values: Any) -> None:
        with self._database.writing() as connection:
            row = self._get(connection, version)
            mine = self._database.own(models), models.c.id == row["id"]
            connection.execute(update(models).where(*mine).values(**values))
            next_change(connection)

    def _get(self, connection: Connection, version: int) -> dict[str, Any]:
        mine = self._database.own(models), models.c.deleted_at.is_(None)
        query = select(models).where(*mine, models.c.version == version)
        row = connection.execute(query).mappings().first()
        if row is None:
            raise ValueError(f"version: expected that of a model, got {version}")
        return as_dict(row)
