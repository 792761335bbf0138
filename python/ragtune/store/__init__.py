"""The only SQL: chunks, pairs, runs and models in one database, each row with its owner.

SQLite in WAL mode with synchronous=FULL: what a call acknowledged survives a killed process
and a power failure, and a call that did not end leaves nothing behind. Owners are added to
every statement here, never by callers. PostgreSQL does the same by URL, for several machines.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import sqlalchemy as sa

from ragtune.store.answers import AnswerTable
from ragtune.store.chunks import Changes, ChunkTable, Found, NewChunk, content_key
from ragtune.store.claims import Claim
from ragtune.store.database import Database
from ragtune.store.datasets import DatasetTable, Item
from ragtune.store.exclusive import alone
from ragtune.store.forks import Lock
from ragtune.store.jobs import Job, JobTable
from ragtune.store.metadata import MetadataTable
from ragtune.store.models import ModelTable
from ragtune.store.pairs import PairCounts, PairTable, StoredPair, data_hash
from ragtune.store.reader import reader_of
from ragtune.store.runs import Outcome, RunTable
from ragtune.store.saves import SaveTable
from ragtune.store.sentences import SentenceTable
from ragtune.store.settings import Settings, SettingsTable
from ragtune.store.vectors import VectorTable

__all__ = [
    "Changes",
    "Claim",
    "Item",
    "Job",
    "Lock",
    "NewChunk",
    "Outcome",
    "PairCounts",
    "Settings",
    "Store",
    "StoredPair",
    "content_key",
    "data_hash",
]


class Store:
    """One owner's view of a database, a part for each table."""

    def __init__(self, url: str | sa.URL, owner: str = "default") -> None:
        """Open or create the store.

        Args:
            url: An SQLAlchemy URL: sqlite:///file or postgresql+psycopg://user@host/database.
            owner: Whose rows this view reads and writes.

        Raises:
            ImportError: The database's driver is not installed.
            StoreLockedError: Another process is writing and does not end.
            StoreVersionError: The store was written by a newer version.
            ValueError: The owner is empty or longer than 128 characters, or the URL is of
                another database.
        """
        self.owner = owner
        self._database = Database(url, owner)
        self.chunks = ChunkTable(self._database)
        self.vectors = VectorTable(self._database)
        self.metadata = MetadataTable(self._database)
        self.sentences = SentenceTable(self._database)
        self.pairs = PairTable(self._database)
        self.runs = RunTable(self._database)
        self.models = ModelTable(self._database)
        self.saves = SaveTable(self._database)
        self.answers = AnswerTable(self._database)
        self.settings = SettingsTable(self._database)
        self.jobs = JobTable(self._database)
        self.datasets = DatasetTable(self._database)
        self.reader = reader_of(self._database)

    @classmethod
    def in_file(cls, path: Path, owner: str = "default") -> Store:
        """Open or create an SQLite file; a path as a URL would end at its first "?"."""
        return cls(sa.URL.create("sqlite", database=str(path.absolute())), owner)

    @property
    def url(self) -> str:
        """The URL that opens this store again, its password included: not for logs."""
        return self._database.url.render_as_string(hide_password=False)

    def counters(self) -> tuple[int, int]:
        """(change, generation): the first grows with every write, the second with a purge."""
        return self._database.counters() if self._database.is_held else self.reader.counters()

    def found(self, rows: Sequence[int]) -> Found:
        """Living chunks among rows, all of one state of the store."""
        return (self.chunks.found if self._database.is_held else self.reader.chunks)(rows)

    def holding(self) -> AbstractContextManager[None]:
        """Let all that this thread reads be of one state of the store; not for long."""
        return self._database.holding()

    def alone(self, task: str) -> AbstractContextManager[bool]:
        """Be the only one of this owner's at a task, on any machine; false if one is at it."""
        return alone(self._database, task)

    def close(self) -> None:
        """Give back the connections."""
        self.reader.close()
        self._database.close()
