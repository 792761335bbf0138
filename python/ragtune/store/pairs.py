"""Training pairs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy import Connection, insert, select, update

from ragtune.store.database import Database, now, parts
from ragtune.store.schema import chunks, pairs
from ragtune.types import Pair


@dataclass(frozen=True, slots=True)
class StoredPair:
    """A pair whose chunk is alive."""

    question: str
    chunk_row: int
    relevance: float


class PairTable:
    """Pairs of one owner."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, new: Sequence[Pair]) -> int:
        """Write all pairs or none; a known (question, chunk) takes the new relevance.

        Raises:
            ValueError: A chunk id is unknown or deleted.
        """
        with self._database.writing() as connection:
            ids = list(dict.fromkeys(pair.chunk_id for pair in new))
            row_of = self._rows(connection, ids)
            for number, pair in enumerate(new):
                if pair.chunk_id not in row_of:
                    raise ValueError(
                        f"pairs[{number}]: expected the id of a chunk, got {pair.chunk_id!r}"
                    )
            latest = {(pair.question, row_of[pair.chunk_id]): pair for pair in new}
            known = self._known_pairs(connection, sorted({row for _, row in latest}))
            fresh = [
                {"owner": self._database.owner, "question": question, "chunk_row": row,
                 "relevance": pair.relevance, "source": pair.source, "created_at": now()}
                for (question, row), pair in latest.items() if (question, row) not in known
            ]  # fmt: skip
            changed = [
                {"known_pair": known[key], "relevance": pair.relevance, "source": pair.source}
                for key, pair in latest.items()
                if key in known
            ]
            if fresh:
                connection.execute(insert(pairs), fresh)
            if changed:
                statement = update(pairs).where(pairs.c.pair == sa.bindparam("known_pair"))
                connection.execute(statement, changed)
        return len(fresh)

    def _rows(self, connection: Connection, ids: Sequence[str]) -> dict[str, int]:
        found: dict[str, int] = {}
        for part in parts(ids):
            query = select(chunks.c.id, chunks.c.row).where(
                self._database.own(chunks), chunks.c.id.in_(part), chunks.c.deleted_at.is_(None)
            )
            found |= {id_: row for id_, row in connection.execute(query)}
        return found

    def _known_pairs(
        self, connection: Connection, rows: Sequence[int]
    ) -> dict[tuple[str, int], int]:
        known: dict[tuple[str, int], int] = {}
        for part in parts(rows):
            query = select(pairs.c.question, pairs.c.chunk_row, pairs.c.pair).where(
                self._database.own(pairs), pairs.c.chunk_row.in_(part)
            )
            known |= {(question, row): pair for question, row, pair in connection.execute(query)}
        return known

    def living(self) -> list[StoredPair]:
        """Pairs whose chunk is alive, oldest first."""
        query = (
            select(pairs.c.question, pairs.c.chunk_row, pairs.c.relevance)
            .join(chunks, chunks.c.row == pairs.c.chunk_row)
            .where(
                self._database.own(pairs), self._database.own(chunks), chunks.c.deleted_at.is_(None)
            )
            .order_by(pairs.c.pair)
        )
        with self._database.reading() as connection:
            return [StoredPair(*row) for row in connection.execute(query)]


def data_hash(found: Sequence[StoredPair]) -> str:
    """SHA-256 of the training pairs, so that a run can be told from another."""
    lines = sorted(json.dumps([p.question, p.chunk_row, p.relevance]) for p in found)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
