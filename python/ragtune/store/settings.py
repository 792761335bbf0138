"""Whether searches use what was learned, and when that was."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, select, update

from ragtune.store.database import Database, as_dict, next_change
from ragtune.store.schema import settings


@dataclass(frozen=True, slots=True)
class Settings:
    """One owner's settings."""

    enabled: bool = False
    last_trained_at: datetime | None = None
    last_run_id: str | None = None


class SettingsTable:
    """The settings of one owner."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: tuple[int, bool] | None = None  # (change, enabled)

    def get(self) -> Settings:
        """The settings; those of a new memory if none were made."""
        names = "enabled", "last_trained_at", "last_run_id"
        query = select(*(settings.c[name] for name in names)).where(self._database.own(settings))
        with self._database.reading() as connection:
            row = connection.execute(query).mappings().first()
        return Settings() if row is None else Settings(**as_dict(row))

    def set(self, **values: Any) -> None:
        """Change some of the settings."""
        with self._database.writing() as connection:
            set_settings(connection, self._database, **values)

    def is_enabled(self, change: int) -> bool:
        """Whether searches use what was learned; asked of the store when it has changed."""
        if self._known is None or self._known[0] != change:
            self._known = change, self.get().enabled
        return self._known[1]


def set_settings(connection: Connection, database: Database, **values: Any) -> None:
    """Change settings within a transaction that holds the write lock."""
    mine = database.own(settings)
    if connection.execute(select(settings.c.owner).where(mine)).first() is None:
        row = {"owner": database.owner, "enabled": False} | values
        connection.execute(insert(settings).values(row))
    else:
        connection.execute(update(settings).where(mine).values(**values))
    next_change(connection)
