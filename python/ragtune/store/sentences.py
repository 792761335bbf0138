"""Vectors of the sentences of chunks, made for models that look at them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import and_, delete, insert, or_, select

from ragtune.store.database import Database, next_change, parts
from ragtune.store.schema import chunks, sentences

Floats = NDArray[np.float32]


class Sentences(NamedTuple):
    """Vectors (p, d) and the chunk row of each (p,)."""

    vectors: Floats
    rows: NDArray[np.int64]


def packed(vectors: Floats) -> bytes:
    """Unit vectors (p, d) as 8-bit integers and a scale each: d + 4 bytes a vector."""
    scales = np.abs(vectors).max(axis=1, initial=0) / 127
    codes = np.rint(vectors / np.maximum(scales, 1e-30)[:, None]).astype(np.int8)
    return bytes(scales.astype(np.float32).tobytes() + codes.tobytes())


def unpacked(blob: bytes, dimension: int) -> Floats:
    """What `packed` made.

    Raises:
        ValueError: It is not of that dimension.
    """
    count, rest = divmod(len(blob), dimension + 4)
    if rest:
        raise ValueError(f"sentences: expected {dimension} dimensions, got {len(blob)} bytes")
    scales = np.frombuffer(blob, np.float32, count)
    codes = np.frombuffer(blob, np.int8, offset=4 * count).reshape(count, dimension)
    return codes * scales[:, None]


class SentenceTable:
    """Sentences of one owner; those of a text that a chunk no longer has count as missing."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def missing(self) -> dict[int, tuple[bytes, str]]:
        """(text hash, text) of the living chunks whose sentences are not there, by row."""
        mine = self._database.own(chunks), chunks.c.deleted_at.is_(None)
        stale = or_(sentences.c.chunk_row.is_(None), sentences.c.text_hash != chunks.c.text_hash)
        query = (
            select(chunks.c.row, chunks.c.text_hash, chunks.c.text)
            .outerjoin(sentences, sentences.c.chunk_row == chunks.c.row)
            .where(*mine, stale)
            .order_by(chunks.c.row)
        )
        with self._database.reading() as connection:
            return {row: (hash_, text) for row, hash_, text in connection.execute(query)}

    def put(self, found: Mapping[int, tuple[bytes, Floats]]) -> None:
        """Keep (text hash, vectors (p, d)) by row; p may be 0. Purged rows are passed over."""
        with self._database.writing() as connection:
            alive: set[int] = set()
            for part in parts(list(found)):
                own = self._database.own_of_few(chunks), chunks.c.row.in_(part)
                alive.update(connection.execute(select(chunks.c.row).where(*own)).scalars())
                old = self._database.own_of_few(sentences), sentences.c.chunk_row.in_(part)
                connection.execute(delete(sentences).where(*old))
            change = next_change(connection)
            rows = [
                {"chunk_row": row, "owner": self._database.owner, "text_hash": hash_,
                 "vectors": packed(vectors), "change": change}
                for row, (hash_, vectors) in found.items() if row in alive
            ]  # fmt: skip
            if rows:
                connection.execute(insert(sentences), rows)

    def since(self, change: int, dimension: int) -> tuple[Sentences, NDArray[np.int64]]:
        """Sentences of the chunks where anything changed after `change`, and all such rows.

        Whoever keeps sentences drops those of these rows, and takes the ones given.
        """
        mine = self._database.own(chunks)
        changed = or_(chunks.c.change > change, sentences.c.change > change)
        fresh = and_(chunks.c.deleted_at.is_(None), sentences.c.text_hash == chunks.c.text_hash)
        query = (
            select(chunks.c.row, sentences.c.vectors, fresh)
            .outerjoin(sentences, sentences.c.chunk_row == chunks.c.row)
            .where(mine, changed)
            .order_by(chunks.c.row)
        )
        rows, owners, vectors = [], [], [np.empty((0, dimension), dtype=np.float32)]
        with self._database.reading() as connection:
            for row, blob, is_fresh in connection.execute(query):
                rows.append(row)
                if is_fresh:
                    vectors.append(unpacked(blob, dimension))
                    owners += [row] * len(vectors[-1])
        told = Sentences(np.concatenate(vectors), np.array(owners, dtype=np.int64))
        return told, np.array(rows, dtype=np.int64)
