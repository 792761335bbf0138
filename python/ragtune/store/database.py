"""The connection: transactions, locks, owners and the counters that tell what changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy import Connection, event, select, update
from sqlalchemy.exc import OperationalError

from ragtune.store import forks
from ragtune.store.schema import meta, migrate
from ragtune.types import StoreLockedError

LOCK_TIMEOUT_S = 30
IN_LIMIT = 500  # ids per IN (...) clause, below every database's limit on parameters

T = TypeVar("T")


class Database:
    """One owner's view of a database; `own` is part of every statement on owned rows."""

    def __init__(self, url: str | sa.URL, owner: str) -> None:
        """Open or create the database.

        Raises:
            StoreLockedError: Another process is writing and does not end.
            StoreVersionError: The store was written by a newer version.
            ValueError: The owner is empty or longer than 128 characters.
        """
        if not 1 <= len(owner) <= 128:
            raise ValueError(f"owner: expected 1 to 128 characters, got {len(owner)}")
        self.owner = owner
        self._engine = sa.create_engine(url, connect_args=_connect_args(sa.make_url(url)))
        if self._engine.dialect.name == "sqlite":
            _tune_sqlite(self._engine)
            forks.register(self)
        with self.writing() as connection:
            migrate(connection)

    def close(self) -> None:
        """Give back the connections."""
        self._engine.dispose()

    def before_fork(self) -> None:
        """Close the idle connections: a child must not inherit them."""
        self._engine.dispose()

    def after_fork(self) -> None:
        """Nothing: connections are opened when they are needed."""

    def file(self) -> Path | None:
        """The file of an SQLite database, None for any other."""
        name = self._engine.url.database or ":memory:"
        if self._engine.dialect.name != "sqlite" or name.startswith((":memory:", "file:")):
            return None
        return Path(name).absolute()

    def own(self, table: sa.Table) -> sa.ColumnElement[bool]:
        """The condition that a row is this owner's."""
        condition: sa.ColumnElement[bool] = table.c.owner == self.owner
        return condition

    def own_of_few(self, table: sa.Table) -> sa.ColumnElement[bool]:
        """The same, where another condition leaves few rows: no index finds rows by this one.

        SQLite, which has no statistics here, would else go through all rows of the owner.
        """
        condition: sa.ColumnElement[bool] = table.c.owner + "" == self.owner
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
            return counter(connection, "change"), counter(connection, "generation")


def _connect_args(url: sa.URL) -> dict[str, Any]:
    return {"timeout": LOCK_TIMEOUT_S} if url.get_backend_name() == "sqlite" else {}


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
            raise lock_error() from error
        raise


def lock_error() -> StoreLockedError:
    """What to raise when the lock was waited for in vain."""
    return StoreLockedError(f"store: another process has been writing for {LOCK_TIMEOUT_S} s")


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
    return counter(connection, "change")


def bump(connection: Connection, key: str) -> None:
    """Add one to a counter within a transaction."""
    connection.execute(update(meta).where(meta.c.key == key).values(value=meta.c.value + 1))


def counter(connection: Connection, key: str) -> int:
    """A counter as this transaction sees it."""
    return int(connection.execute(select(meta.c.value).where(meta.c.key == key)).scalar_one())
