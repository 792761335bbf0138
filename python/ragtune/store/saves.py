"""Which index files were saved from this store, and of which state.

A file is believed only if the store remembers that it was saved. A counter in the file would
not do: a store that was put back from a backup counts up to the same number by other changes.
"""

from __future__ import annotations

import secrets

from sqlalchemy import delete, insert, select

from ragtune.store.database import Database, counter
from ragtune.store.schema import saves

KEPT = 8  # per owner: processes that save at the same time


class SaveTable:
    """Saved index files of one owner."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, counters: tuple[int, int]) -> int | None:
        """Remember a file that is about to be saved; returns what it must carry to be believed.

        Returns None if rows were purged since `counters`: their vectors must not be kept.
        """
        token = secrets.randbits(62)
        change, generation = counters
        with self._database.writing() as connection:
            if counter(connection, "generation") != generation:
                return None
            connection.execute(
                insert(saves).values(
                    owner=self._database.owner, token=token, change=change, generation=generation
                )
            )
            mine = select(saves.c.save).where(self._database.own(saves))
            latest = mine.order_by(saves.c.save.desc()).limit(KEPT)
            old = self._database.own(saves), saves.c.save.not_in(latest.scalar_subquery())
            connection.execute(delete(saves).where(*old))
        return token

    def counters(self, token: int) -> tuple[int, int] | None:
        """(change, generation) of what was saved under a token, None if nothing was."""
        query = select(saves.c.change, saves.c.generation).where(
            self._database.own(saves), saves.c.token == token
        )
        with self._database.reading() as connection:
            found = connection.execute(query).first()
        return None if found is None else (found[0], found[1])
