"""The connection: transactions, locks, owners and the counters that tell what changed."""

from __future__ import annotations

import sqlite3
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy import Connection, event, select, update
from sqlalchemy.exc import DataError, OperationalError

from ragtune.store import forks
from ragtune.store.migrations import migrate
from ragtune.store.schema import meta
from ragtune.types import StoreLockedError

LOCK_TIMEOUT_S = 30
WAIT_S = 0.01  # between two looks at a lock that SQLite does not wait for
# Counters of changes must grow in the order in which changes are seen: writers take turns.
_WRITE_LOCK = "SELECT value FROM meta WHERE key = 'change' FOR UPDATE"
_LOCK_TIMEOUT = "55P03"  # PostgreSQL's name of it
_MIGRATION_LOCK = "SELECT pg_advisory_xact_lock(7241643)"
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
        self.url = sa.make_url(url)
        self._engine = _engine(self.url)
        self._held = threading.local()
        self.is_sqlite = self._engine.dialect.name == "sqlite"
        _close_late(self._engine)
        if self.is_sqlite:
            _tune_sqlite(self._engine)
        forks.register(self)
        with self._transaction(_MIGRATION_LOCK) as connection:
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
        held = getattr(self._held, "connection", None)
        if held is not None:
            yield held
            return
        engine = self._engine
        if not self.is_sqlite:
            engine = engine.execution_options(isolation_level="REPEATABLE READ")
        with _clear_errors(), engine.connect() as connection:
            yield connection

    @contextmanager
    def holding(self) -> Iterator[None]:
        """Let all that this thread reads be of one state of the store."""
        with self.reading() as connection:
            self._held.connection = connection
            try:
                yield
            finally:
                del self._held.connection

    @property
    def is_held(self) -> bool:
        """Whether this thread is within `holding`."""
        return hasattr(self._held, "connection")

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that holds the write lock: all of it is kept, or nothing."""
        with self._transaction(_WRITE_LOCK) as connection:
            yield connection

    @contextmanager
    def queueing(self) -> Iterator[Connection]:
        """A transaction that locks no more than its rows, where the database can do that."""
        with self._transaction(None) as connection:
            yield connection

    @contextmanager
    def lasting(self) -> Iterator[Connection]:
        """A connection whose every statement is a transaction of its own."""
        with self._engine.connect() as connection:
            yield connection.execution_options(isolation_level="AUTOCOMMIT")

    @contextmanager
    def _transaction(self, lock: str | None) -> Iterator[Connection]:
        self._close_left_behind()
        engine = self._engine.execution_options(ragtune_write=True)
        with _clear_errors(), engine.connect() as connection:
            self._held.writer = connection
            with connection.begin():
                self._lock(connection, lock)
                yield connection

    def _lock(self, connection: Connection, lock: str | None) -> None:
        if not self.is_sqlite:  # whose BEGIN IMMEDIATE is the lock
            wait_ms = int(LOCK_TIMEOUT_S * 1000)
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = {wait_ms}")
            if lock is not None:
                connection.exec_driver_sql(lock)

    def _close_left_behind(self) -> None:
        """End what this thread wrote last if an interrupt kept it open: transactions do not nest.

        The lock would else be held for as long as the interrupt's traceback is, whose frames have
        the connection; notebooks keep the last one.
        """
        writer: Connection | None = getattr(self._held, "writer", None)
        if writer is not None:
            writer.close()

    def counters(self) -> tuple[int, int]:
        """(change, generation): the first grows with every write, the second with a purge."""
        with self.reading() as connection:
            return counter(connection, "change"), counter(connection, "generation")


def _engine(url: sa.URL) -> sa.Engine:
    kind = url.get_backend_name()
    if kind == "sqlite":
        return sa.create_engine(url, connect_args={"timeout": LOCK_TIMEOUT_S})
    if kind != "postgresql":
        raise ValueError(f"store: expected a URL of sqlite or postgresql+psycopg, got {kind}")
    try:
        return sa.create_engine(url, pool_pre_ping=True)  # a server may have been restarted
    except ModuleNotFoundError as error:
        raise ImportError(
            "PostgreSQL needs psycopg; install it with: pip install 'ragtune[postgres]'"
        ) from error


def _close_late(engine: sa.Engine) -> None:
    """Close a connection that was at work when its pool was disposed of: nobody else does."""

    @event.listens_for(engine, "do_connect")  # before it, for a connection takes its time
    def tell_pool(_dialect: Any, record: Any, _arguments: Any, _named: Any) -> None:
        record.info["pool"] = id(engine.pool)

    @event.listens_for(engine, "checkin")
    def close(connection: Any, record: Any) -> None:
        if connection is not None and record.info.get("pool") != id(engine.pool):
            connection.close()


def _tune_sqlite(engine: sa.Engine) -> None:
    """Take transactions into our own hands: the driver's would begin too late to be atomic."""

    @event.listens_for(engine, "connect")
    def set_pragmas(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        _turn_to_log(connection)
        for pragma in ("synchronous=FULL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "invalidate")
    def roll_back(connection: Any, _record: Any, _error: Any) -> None:
        """Before it is closed, which ends no transaction as long as a frame has its cursor."""
        connection.rollback()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("ragtune_write")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _turn_to_log(connection: Any) -> None:
    """Wait for whoever else does so to a new file: SQLite itself would not."""
    end = time.monotonic() + LOCK_TIMEOUT_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > end:
                raise
            time.sleep(WAIT_S)


@contextmanager
def _clear_errors() -> Iterator[None]:
    handled = sys.exc_info()[1]
    try:
        yield
    except Exception as error:
        interrupt = _interrupt(error, handled)
        if interrupt is not None:
            raise interrupt from None
        if isinstance(error, OperationalError) and _is_locked(error.orig):
            raise lock_error() from error
        if isinstance(error, DataError) and "NUL" in str(error.orig):
            raise ValueError("text: expected none with NUL (PostgreSQL holds no such)") from None
        raise


def _interrupt(error: Exception, handled: BaseException | None) -> BaseException | None:
    """The interrupt that an error stands for, if any: libraries fail to end what was cut short.

    One that the caller was handling already is another.
    """
    found: BaseException | None = error
    while found is not None and found is not handled:
        if isinstance(found, (KeyboardInterrupt, SystemExit)):
            return found
        found = found.__context__
    return None


def _is_locked(error: BaseException | None) -> bool:
    return "locked" in str(error) or getattr(error, "sqlstate", "") == _LOCK_TIMEOUT


def lock_error() -> StoreLockedError:
    """What to raise when the lock was waited for in vain."""
    return StoreLockedError(f"store: another process has been writing for {LOCK_TIMEOUT_S} s")


def now() -> datetime:
    """The time, with its zone."""
    return datetime.now(timezone.utc)


def as_dict(row: sa.RowMapping) -> dict[str, Any]:
    """A row by column, its times with their zone: SQLite keeps them without."""
    return {str(name): _with_zone(value) for name, value in row.items()}


def _with_zone(value: Any) -> Any:
    naive = isinstance(value, datetime) and value.tzinfo is None
    return value.replace(tzinfo=timezone.utc) if naive else value


def parts(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """Cut a list of ids into pieces that an IN (...) clause takes."""
    for first in range(0, len(items), IN_LIMIT):
        yield items[first : first + IN_LIMIT]


def rows_in(
    connection: Connection, query: sa.Select[Any], column: sa.Column[Any], values: Iterable[Any]
) -> Iterator[Any]:
    """Rows of a query whose column is among the values, however many these are."""
    for part in parts(list(values)):
        yield from connection.execute(query.where(column.in_(part)))


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
