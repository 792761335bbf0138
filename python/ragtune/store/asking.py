"""Which chunks have no questions yet."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import exists, func, or_, select

from ragtune.store.database import Database
from ragtune.store.schema import chunks, run_chunks, runs, settings

ASKED = ("generated", "training", "completed")


class Unasked(NamedTuple):
    """A living chunk whose present text no run has questions for."""

    row: int
    id: str
    source: str
    text: str
    text_hash: bytes


def to_ask(database: Database, run_id: str | None = None) -> list[Unasked]:
    """New and changed chunks, in row order; with `run_id` those that it has not done either."""
    answered = run_chunks.c.status == "answered"
    asked = exists().where(
        run_chunks.c.chunk_row == chunks.c.row,
        run_chunks.c.text_hash == chunks.c.text_hash,
        runs.c.id == run_chunks.c.run_id,
        database.own(runs),
        or_(runs.c.status.in_(ASKED) & answered, runs.c.id == run_id),
    )
    query = (
        select(chunks.c.row, chunks.c.id, chunks.c.source, chunks.c.text, chunks.c.text_hash)
        .where(database.own(chunks), chunks.c.deleted_at.is_(None), ~asked)
        .order_by(chunks.c.row)
    )
    with database.reading() as connection:
        return [Unasked(*row) for row in connection.execute(query)]


def new_since_training(database: Database) -> int:
    """Living chunks that were added or changed since the last training began."""
    query = select(func.count()).where(database.own(chunks), chunks.c.deleted_at.is_(None))
    trained = select(settings.c.last_trained_at).where(database.own(settings))
    with database.reading() as connection:
        since = connection.execute(trained).scalar_one_or_none()
        if since is not None:
            query = query.where(chunks.c.updated_at > since)
        return connection.execute(query).scalar_one()
