"""Chunks and their vectors."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray
from sqlalchemy import Connection, func, insert, select, update

from ragtune.store.asking import Unasked, new_since_training, to_ask
from ragtune.store.database import Database, bump, next_change, now, parts, rows_in
from ragtune.store.schema import chunks, embeddings, pairs
from ragtune.types import Chunk


@dataclass(frozen=True, slots=True)
class NewChunk:
    """A chunk to be written, with its vector as float32 bytes."""

    id: str
    text: str
    metadata: Mapping[str, Any]
    source: str
    embedding: bytes


class Changes(NamedTuple):
    """Chunk rows that changed, in row order."""

    rows: NDArray[np.int64]  # living ones, (n,)
    vectors: NDArray[np.float32]  # of those, (n * d,)
    gone: NDArray[np.int64]  # rows that can no longer be found


class Texts(NamedTuple):
    """Chunk rows that changed, in row order, with their texts."""

    rows: NDArray[np.int64]
    texts: list[str]
    gone: NDArray[np.int64]


class Found(NamedTuple):
    """Living chunks by row, and the counter of the latest change among them (0: none)."""

    chunks: dict[int, Chunk]
    latest: int


def content_key(text: str) -> bytes:
    """What a text is known by: its SHA-256."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


@dataclass(frozen=True, slots=True)
class _Known:
    row: int
    text_hash: bytes
    metadata: Mapping[str, Any]
    source: str
    embedding: bytes
    deleted_at: datetime | None

    def same_as(self, chunk: NewChunk) -> bool:
        mine = self.text_hash, self.metadata, self.source, self.embedding, self.deleted_at
        theirs = content_key(chunk.text), dict(chunk.metadata), chunk.source, chunk.embedding, None
        return mine == theirs


class ChunkTable:
    """Chunks of one owner. Deleted ones are hidden at once and kept until purged."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def changed_since(self, change: int) -> Changes:
        """Rows written after `change`."""
        rows, gone, vectors = array("q"), array("q"), bytearray()
        for row, embedding, deleted in changed_rows(self._database, chunks.c.embedding, change):
            (gone if deleted else rows).append(row)
            vectors += b"" if deleted else embedding
        return _in_row_order(
            np.frombuffer(rows, np.int64),
            np.frombuffer(vectors, np.float32),
            np.frombuffer(gone, np.int64),
        )

    def texts_since(self, change: int) -> Texts:
        """Texts of the rows written after `change`."""
        living, gone = {}, array("q")
        for row, text, deleted in changed_rows(self._database, chunks.c.text, change):
            if deleted:
                gone.append(row)
            else:
                living[row] = text
        rows = sorted(living)
        return Texts(
            np.array(rows, np.int64), [living[row] for row in rows], np.frombuffer(gone, np.int64)
        )

    def add(self, new: Sequence[NewChunk]) -> None:
        """Write all chunks or none; an id that is there is replaced and comes alive.

        Chunks that are there already as they are cost nothing, also no new index entry.
        """
        with self._database.writing() as connection:
            known = self._known(connection, [chunk.id for chunk in new])
            fresh = [chunk for chunk in new if chunk.id not in known]
            changed = [c for c in new if c.id in known and not known[c.id].same_as(c)]
            if not fresh and not changed:
                return
            change, moment = next_change(connection), now()
            if fresh:
                values = [self._values(c, change, moment) | {"created_at": moment} for c in fresh]
                connection.execute(insert(chunks), values)
            if changed:
                statement = update(chunks).where(chunks.c.row == sa.bindparam("known_row"))
                rows = [
                    self._values(c, change, moment) | {"known_row": known[c.id].row}
                    for c in changed
                ]
                connection.execute(statement, rows)
            for part in parts([content_key(chunk.text) for chunk in (*fresh, *changed)]):
                pending = self._database.own(embeddings), embeddings.c.key.in_(part)
                connection.execute(sa.delete(embeddings).where(*pending))

    def _known(self, connection: Connection, ids: Sequence[str]) -> dict[str, _Known]:
        columns = "id", "row", "text_hash", "metadata", "source", "embedding", "deleted_at"
        return {id_: _Known(*rest) for id_, *rest in self._by_ids(connection, ids, *columns)}

    def _values(self, chunk: NewChunk, change: int, moment: datetime) -> dict[str, Any]:
        return {
            "owner": self._database.owner,
            "id": chunk.id,
            "text": chunk.text,
            "text_hash": content_key(chunk.text),
            "metadata": dict(chunk.metadata),
            "source": chunk.source,
            "embedding": chunk.embedding,
            "change": change,
            "updated_at": moment,
            "deleted_at": None,
        }

    def get(self, ids: Sequence[str]) -> list[Chunk]:
        """Living chunks in the order of ids; unknown ones are left out."""
        with self._database.reading() as connection:
            found = {
                id_: Chunk(id_, text, metadata, source)
                for id_, text, metadata, source in self._by_ids(
                    connection, ids, "id", "text", "metadata", "source", alive=True
                )
            }
        return [found[id_] for id_ in ids if id_ in found]

    def by_row(self, rows: Sequence[int]) -> dict[int, Chunk]:
        """Living chunks of the given rows."""
        return self.found(rows).chunks

    def found(self, rows: Sequence[int]) -> Found:
        """Living chunks of the given rows, all of one state of the store."""
        names = "row", "change", "id", "text", "metadata", "source"
        query = select(*(chunks.c[name] for name in names)).where(
            self._database.own_of_few(chunks), chunks.c.deleted_at.is_(None)
        )
        found: dict[int, Chunk] = {}
        latest = 0
        with self._database.reading() as connection:
            for row, change, *rest in rows_in(connection, query, chunks.c.row, rows):
                found[row] = Chunk(*rest)
                latest = max(latest, change)
        return Found(found, latest)

    def text_hashes(self, ids: Sequence[str]) -> dict[str, bytes]:
        """Hash of the text of each living chunk among ids."""
        with self._database.reading() as connection:
            return dict(self._by_ids(connection, ids, "id", "text_hash", alive=True))

    def vectors_of(self, ids: Sequence[str]) -> dict[str, bytes]:
        """Vector of each living chunk among ids."""
        with self._database.reading() as connection:
            return dict(self._by_ids(connection, ids, "id", "embedding", alive=True))

    def rows_and_sources(self, ids: Sequence[str]) -> dict[str, tuple[int, str]]:
        """Row and source of each living chunk among ids."""
        with self._database.reading() as connection:
            found = self._by_ids(connection, ids, "id", "row", "source", alive=True)
            return {id_: (row, source) for id_, row, source in found}

    def delete(self, ids: Sequence[str]) -> int:
        """Hide chunks from search; unknown ids are passed over. Returns how many were there."""
        count = 0
        with self._database.writing() as connection:
            change, moment = next_change(connection), now()
            for part in parts(ids):
                mine = (
                    self._database.own(chunks),
                    chunks.c.id.in_(part),
                    chunks.c.deleted_at.is_(None),
                )
                statement = update(chunks).where(*mine)
                count += connection.execute(
                    statement.values(deleted_at=moment, change=change)
                ).rowcount
        return count

    def purge(self) -> int:
        """Erase deleted chunks and their pairs for good; returns how many chunks."""
        with self._database.writing() as connection:
            gone = self._database.own(chunks), chunks.c.deleted_at.is_not(None)
            rows = select(chunks.c.row).where(*gone)
            connection.execute(sa.delete(pairs).where(pairs.c.chunk_row.in_(rows)))
            count = connection.execute(sa.delete(chunks).where(*gone)).rowcount
            next_change(connection)
            bump(connection, "generation")
        return count

    def count(self) -> int:
        """Living chunks."""
        query = select(func.count()).where(
            self._database.own(chunks), chunks.c.deleted_at.is_(None)
        )
        with self._database.reading() as connection:
            return connection.execute(query).scalar_one()

    def living(self) -> list[tuple[int, str, bytes, str]]:
        """(row, source, vector, text) of every living chunk, in row order."""
        query = (
            select(chunks.c.row, chunks.c.source, chunks.c.embedding, chunks.c.text)
            .where(self._database.own(chunks), chunks.c.deleted_at.is_(None))
            .order_by(chunks.c.row)
        )
        with self._database.reading() as connection:
            return [tuple(row) for row in connection.execute(query)]

    def to_ask(self, run_id: str | None = None) -> list[Unasked]:
        """See `asking.to_ask`."""
        return to_ask(self._database, run_id)

    def new_since_training(self) -> int:
        """Living chunks that were added or changed since the last training began."""
        return new_since_training(self._database)

    def _by_ids(
        self, connection: Connection, ids: Sequence[str], *columns: str, alive: bool = False
    ) -> Iterator[Any]:
        query = select(*(chunks.c[name] for name in columns)).where(self._database.own(chunks))
        if alive:
            query = query.where(chunks.c.deleted_at.is_(None))
        return (tuple(row) for row in rows_in(connection, query, chunks.c.id, ids))


def changed_rows(database: Database, column: sa.Column[Any], change: int) -> Iterator[Any]:
    """(row, value of the column, whether it is deleted) of the chunks written after `change`."""
    own = database.own_of_few if change else database.own  # after 0 are all rows
    # Not ORDER BY: for its sake SQLite would read all rows in order instead of the changed.
    query = select(chunks.c.row, column, chunks.c.deleted_at.is_not(None)).where(
        own(chunks), chunks.c.change > change
    )
    with database.reading() as connection:
        yield from connection.execute(query)


def _in_row_order(
    rows: NDArray[np.int64], vectors: NDArray[np.float32], gone: NDArray[np.int64]
) -> Changes:
    if (rows[1:] < rows[:-1]).any():
        order = np.argsort(rows)
        rows, vectors = rows[order], vectors.reshape(len(rows), -1)[order].ravel()
    return Changes(rows, vectors, np.sort(gone))
