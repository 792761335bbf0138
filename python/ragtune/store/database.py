"""The connection: transactions, locks, owners and the counters that tell what changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timezone
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy import Connection, event, select, update
from sqlalchemy.exc import OperationalError

from ragtune.store.schema import meta, migrate
from ragtune.types import StoreLockedError

LOCK_TIMEOUT_S = 30
IN_LIMIT = 500  # ids per IN (...) clause, below every database's limit on parameters

T = TypeVar("T")


class Database:
    """One owner's view of a database; `own` is part of every statement on owned rows."""

    def __init__(self, url: str, owner: str) -> None:
        """Open or create the database.

        Raises:
            StoreLockedError: Another process is writing and does not end.
            StoreVersionError: The store was written by a newer version.
            ValueError: The owner is empty or longer than 128 characters.
        """
        if not 1 <= len(owner) <= 128:
            raise ValueError(f"owner: expected 1 to 128 characters, got {len(owner)}")
        self.owner = owner
        self._engine = sa.create_engine(url, connect_args=_connect_args(url))
        if self._engine.dialect.name == "sqlite":
            _tune_sqlite(self._engine)
        with self.writing() as connection:
            migrate(connection)

    def close(self) -> None:
        """Give back the connections."""
        self._engine.dispose()

    def own(self, table: sa.Table) -> sa.ColumnElement[bool]:
        """The condition that a row is this owner's."""
        condition: sa.ColumnElement[bool] = table.c.owner == self.owner
        return condition

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection that sees one state of the store."""
        with _lock_errors(), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that holds the write lock: all of it is kept, or nothing."""
        engine = self._engine.execution_options(ragtune_write=True)
        with _lock_errors(), engine.begin() as connection:
            yield connection

    def counters(self) -> tuple[int, int]:
        """(change, generation): the first grows with every write, the second with a purge."""
        with self.reading() as connection:
            return _counter(connection, "change"), _counter(connection, "generation")


def _connect_args(url: str) -> dict[str, Any]:
    return {"timeout": LOCK_TIMEOUT_S} if url.startswith("sqlite") else {}


def _tune_sqlite(engine: sa.Engine) -> None:
    """Take transactions into our own hands: the driver's would begin too late to be atomic."""

    @event.listens_for(engine, "connect")
    def set_pragmas(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("ragtune_write")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


@contextmanager
def _lock_errors() -> Iterator[None]:
    try:
        yield
    except OperationalError as error:
        if "locked" in str(error.orig):
            raise StoreLockedError(
                f"store: another process has been writing for {LOCK_TIMEOUT_S} s"
            ) from error
        raise


def now() -> datetime:
    """The time, with its zone."""
    return datetime.now(timezone.utc)


def parts(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """Cut a list of ids into pieces that an IN (...) clause takes."""
    for first in range(0, len(items), IN_LIMIT):
        yield items[first : first + IN_LIMIT]


def next_change(connection: Connection) -> int:
    """Advance the change counter within a transaction and return it."""
    bump(connection, "change")
    return _counter(connection, "change")


def bump(connection: Connection, key: str) -> None:
    """Add one to a counter within a transaction."""
    connection.execute(update(meta).where(meta.c.key == key).values(value=meta.c.value + 1))


def _counter(connection: Connection, key: str) -> int:
    return int(connection.execute(select(meta.c.value).where(meta.c.key == key)).scalar_one())
