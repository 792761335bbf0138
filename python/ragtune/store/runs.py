"""Runs and the models that came of them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, insert, select, update

from ragtune.store.database import Database, next_change, now
from ragtune.store.schema import models, runs


class RunTable:
    """Runs of one owner."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, **values: Any) -> None:
        """Write a new run."""
        with self._database.writing() as connection:
            connection.execute(
                insert(runs).values(owner=self._database.owner, created_at=now(), **values)
            )

    def end(self, run_id: str, status: str, **values: Any) -> None:
        """Write how a run ended."""
        with self._database.writing() as connection:
            mine = self._database.own(runs), runs.c.id == run_id
            connection.execute(
                update(runs).where(*mine).values(status=status, completed_at=now(), **values)
            )

    def list(self) -> list[dict[str, Any]]:
        """All runs, newest first."""
        query = select(runs).where(self._database.own(runs)).order_by(runs.c.created_at.desc())
        with self._database.reading() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]


class ModelTable:
    """Models of one owner."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, **values: Any) -> int:
        """Write a model and return its version; it changes what searches see if promoted."""
        with self._database.writing() as connection:
            latest = select(func.max(models.c.version)).where(self._database.own(models))
            version = (connection.execute(latest).scalar_one() or 0) + 1
            connection.execute(
                insert(models).values(
                    owner=self._database.owner, version=version, created_at=now(), **values
                )
            )
            next_change(connection)
        return version

    def promoted(self) -> list[dict[str, Any]]:
        """Models that may serve, newest first: the later ones are what to fall back to."""
        query = (
            select(models)
            .where(self._database.own(models), models.c.promoted)
            .order_by(models.c.version.desc())
        )
        with self._database.reading() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]
