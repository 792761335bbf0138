"""Metadata of chunks, as filters read it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from sqlalchemy import select

from ragtune.store.chunks import changed_rows
from ragtune.store.database import Database
from ragtune.store.schema import chunks


class Metadata(NamedTuple):
    """Chunk rows that changed: metadata of the living ones, and those that are gone."""

    living: dict[int, Mapping[str, Any]]
    gone: list[int]


class MetadataTable:
    """The same rows as `ChunkTable`, without texts and vectors."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def since(self, change: int) -> Metadata:
        """Rows written after `change`."""
        found = Metadata({}, [])
        for row, metadata, deleted in changed_rows(self._database, chunks.c.metadata, change):
            if deleted:
                found.gone.append(row)
            else:
                found.living[row] = metadata
        return found

    def ids(self) -> list[str]:
        """Names of all living chunks, oldest first."""
        mine = self._database.own(chunks), chunks.c.deleted_at.is_(None)
        query = select(chunks.c.id).where(*mine).order_by(chunks.c.row)
        with self._database.reading() as connection:
            return list(connection.execute(query).scalars())
