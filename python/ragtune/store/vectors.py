"""The embedding space, and vectors by content and by row."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import delete, insert, select

from ragtune.store.database import Database, parts, rows_in
from ragtune.store.schema import chunks, embeddings, spaces


class VectorTable:
    """The embedding space, and vectors by content: of questions and of interrupted work."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def space(self) -> bytes | None:
        """Fingerprint of the embedder that made the vectors, if there are any yet."""
        query = select(spaces.c.fingerprint).where(self._database.own(spaces))
        with self._database.reading() as connection:
            return connection.execute(query).scalar_one_or_none()

    def set_space(self, fingerprint: bytes) -> None:
        """Say which embedder makes the vectors; the first one to say so stays."""
        with self._database.writing() as connection:
            known = select(spaces.c.owner).where(self._database.own(spaces))
            if connection.execute(known).first() is None:
                connection.execute(
                    insert(spaces).values(owner=self._database.owner, fingerprint=fingerprint)
                )

    def get(self, keys: Iterable[bytes]) -> dict[bytes, bytes]:
        """Vectors that are known by content."""
        query = select(embeddings.c.key, embeddings.c.embedding).where(
            self._database.own(embeddings)
        )
        with self._database.reading() as connection:
            return {key: made for key, made in rows_in(connection, query, embeddings.c.key, keys)}

    def of_rows(self, rows: Sequence[int]) -> dict[int, NDArray[np.float32]]:
        """Vectors (d,) of chunks by row."""
        query = select(chunks.c.row, chunks.c.embedding).where(self._database.own_of_few(chunks))
        with self._database.reading() as connection:
            found = rows_in(connection, query, chunks.c.row, rows)
            return {row: np.frombuffer(vector, np.float32) for row, vector in found}

    def put(self, vectors: Mapping[bytes, bytes]) -> None:
        """Keep vectors by content, so that interrupted work goes on where it was."""
        with self._database.writing() as connection:
            for part in parts(list(vectors)):
                mine = self._database.own(embeddings), embeddings.c.key.in_(part)
                connection.execute(delete(embeddings).where(*mine))
            rows = [
                {"owner": self._database.owner, "key": k, "embedding": v}
                for k, v in vectors.items()
            ]
            if rows:
                connection.execute(insert(embeddings), rows)
