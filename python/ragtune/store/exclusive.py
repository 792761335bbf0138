"""Being the only one at a task, for longer than a transaction lasts."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import sqlalchemy as sa

from ragtune.store.chunks import content_key
from ragtune.store.database import Database

# Of the session: PostgreSQL gives it back when the connection ends, however it does.
_TAKE = sa.text("SELECT pg_try_advisory_lock(hashtextextended(current_schema() || :name, 0))")
_GIVE_BACK = sa.text("SELECT pg_advisory_unlock(hashtextextended(current_schema() || :name, 0))")


@contextmanager
def alone(database: Database, task: str) -> Iterator[bool]:
    """Be the only one of this owner's at a task, on any machine that uses the database.

    Yields:
        Whether that is so: false if another one is at it. It ends with the process at the latest.
    """
    name = f"{task}-{content_key(database.owner).hex()[:16]}"
    file = database.file()
    lock = _server_lock(database, name) if file is None else _file_lock(file.with_name(name))
    with lock as own:
        yield own


@contextmanager
def _file_lock(path: Path) -> Iterator[bool]:
    with path.with_suffix(".lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            own = True
        except OSError:
            own = False
        yield own


@contextmanager
def _server_lock(database: Database, name: str) -> Iterator[bool]:
    with database.lasting() as connection:
        own = bool(connection.execute(_TAKE, {"name": name}).scalar_one())
        try:
            yield own
        finally:
            with suppress(sa.exc.DBAPIError):  # a connection that was lost has given it back
                connection.execute(_GIVE_BACK, {"name": name})
