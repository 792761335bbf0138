"""What every search reads: the counters, and the chunks that were found.

A search asks twice, so each answer must be a matter of microseconds. SQLAlchemy takes 150 to
500 per statement; `SqliteReader` asks the same of the driver itself in 4 and 15. Any other
database is read through SQLAlchemy by `SqlReader`.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from ragtune.store import database, forks
from ragtune.store.chunks import ChunkTable, Found
from ragtune.store.database import Database
from ragtune.types import Chunk


class Reader(Protocol):
    """Reads one owner's rows; each call sees all that was committed before it."""

    def counters(self) -> tuple[int, int]:
        """(change, generation): the first grows with every write, the second with a purge."""
        ...

    def chunks(self, rows: Sequence[int]) -> Found:
        """Living chunks among rows, all of one state of the store."""
        ...

    def close(self) -> None:
        """Give back the connection; the next call opens it again."""
        ...


def reader_of(database: Database) -> Reader:
    """The fastest reader of a database whose schema is up to date."""
    file = database.file()
    return SqlReader(database) if file is None else SqliteReader(file, database.owner)


class SqlReader:
    """Reads any database, through SQLAlchemy."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._table = ChunkTable(database)

    def counters(self) -> tuple[int, int]:
        return self._database.counters()

    def chunks(self, rows: Sequence[int]) -> Found:
        return self._table.found(rows)

    def close(self) -> None:
        """Nothing: the connections are the database's."""


# Two subqueries, one row: reading both rows of `meta` by IN takes twice as long.
# `PRAGMA data_version` would be 1 us faster and tell less.
_COUNTERS = """
SELECT (SELECT value FROM meta WHERE key = 'change'),
       (SELECT value FROM meta WHERE key = 'generation')"""

# The + keeps SQLite from looking rows up by owner, as it would read all that the owner has; see
# Database.own_of_few. Few rows are each a parameter, which is 8 us faster, and many are one.
_CHUNKS = """
SELECT row, change, id, text, metadata, source FROM chunks
WHERE row IN ({}) AND +owner = ? AND deleted_at IS NULL"""
_FEW = 50  # so many statements are kept by the driver, too


class SqliteReader:
    """Reads an SQLite file on one connection of its own, which threads take in turns.

    It is opened at the first call and never writes. Between calls it is in no transaction, so
    that each call sees what this and other processes committed, and none holds up a checkpoint.
    """

    def __init__(self, file: Path, owner: str) -> None:
        self._connection: sqlite3.Connection | None = None
        self._lock = threading.Lock()
        self._uri = f"{file.as_uri()}?mode=rw"  # rw makes no file where there is none
        self._owner = owner
        forks.register(self)

    def __del__(self) -> None:
        self.close()

    def counters(self) -> tuple[int, int]:
        [(change, generation)] = self._fetch(_COUNTERS)
        return change, generation

    def chunks(self, rows: Sequence[int]) -> Found:
        if len(rows) <= _FEW:
            found = self._fetch(_CHUNKS.format(",".join("?" * len(rows))), *rows, self._owner)
        else:
            many = "SELECT value FROM json_each(?)"
            found = self._fetch(_CHUNKS.format(many), json.dumps(rows), self._owner)
        chunks, latest = {}, 0
        for row, change, id_, text, metadata, source in found:
            values = {} if metadata == "{}" else json.loads(metadata)  # which takes 1.5 us
            chunks[row] = Chunk(id_, text, values, source)
            latest = max(latest, change)
        return Found(chunks, latest)

    def close(self) -> None:
        with self._lock:
            self._disconnect()

    def before_fork(self) -> None:
        self._lock.acquire()
        self._disconnect()

    def after_fork(self) -> None:
        self._lock.release()

    def _fetch(self, statement: str, *parameters: object) -> list[Any]:
        try:
            with self._lock:
                connection = self._connection or self._connect()
                return connection.execute(statement, parameters).fetchall()
        except sqlite3.OperationalError as error:
            if "locked" in str(error):
                raise database.lock_error() from error
            raise

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._uri,
            uri=True,
            timeout=database.LOCK_TIMEOUT_S,
            isolation_level=None,
            check_same_thread=False,  # the lock sees to it
        )
        connection.execute("PRAGMA query_only = ON")
        self._connection = connection
        return connection

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
