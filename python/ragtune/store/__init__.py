"""The only SQL: chunks, pairs, runs and models in one database, each row with its owner.

SQLite in WAL mode with synchronous=FULL: what a call acknowledged survives a killed process
and a power failure, and a call that did not end leaves nothing behind. Owners are added to
every statement here, never by callers.
"""

from __future__ import annotations

from ragtune.store.chunks import ChangedRow, ChunkTable, NewChunk, VectorTable, content_key
from ragtune.store.database import Database
from ragtune.store.pairs import PairTable, StoredPair, data_hash
from ragtune.store.runs import ModelTable, RunTable

__all__ = ["ChangedRow", "NewChunk", "Store", "StoredPair", "content_key", "data_hash"]


class Store:
    """One owner's view of a database, a part for each table."""

    def __init__(self, url: str, owner: str = "default") -> None:
        """Open or create the store.

        Args:
            url: An SQLAlchemy URL.
            owner: Whose rows this view reads and writes.

        Raises:
            StoreLockedError: Another process is writing and does not end.
            StoreVersionError: The store was written by a newer version.
            ValueError: The owner is empty or longer than 128 characters.
        """
        self._database = Database(url, owner)
        self.chunks = ChunkTable(self._database)
        self.vectors = VectorTable(self._database)
        self.pairs = PairTable(self._database)
        self.runs = RunTable(self._database)
        self.models = ModelTable(self._database)

    def counters(self) -> tuple[int, int]:
        """(change, generation): the first grows with every write, the second with a purge."""
        return self._database.counters()

    def close(self) -> None:
        """Give back the connections."""
        self._database.close()
