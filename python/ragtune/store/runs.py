"""Runs: what was asked, learned and measured, and the account of each chunk."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, func, insert, or_, select, update

from ragtune.store.database import Database, as_dict, now, parts, rows_in
from ragtune.store.pairs import values_of, write_pairs
from ragtune.store.schema import chunks, pairs, run_chunks, runs
from ragtune.types import Pair

LEASE_S = 120  # so long after its last sign of life a run counts as left behind
WORKING = ("generating", "training")
ENDED = ("completed", "failed", "cancelled")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one chunk that was asked about; with a reason it failed."""

    row: int
    text_hash: bytes  # of the text that was asked about
    pairs: Sequence[Pair] = field(default=())
    reason: str | None = None


class RunTable:
    """Runs of one owner."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, **values: Any) -> str:
        """Write a new run and return its id."""
        run_id = uuid.uuid4().hex
        empty = {"strategy": "auto", "seed": 0, "hyperparameters": {}, "pair_count": 0}
        own = {"id": run_id, "owner": self._database.owner, "created_at": now()}
        with self._database.queueing() as connection:
            connection.execute(insert(runs).values(empty | values | own))
        return run_id

    def start(self, total_chunks: int, options: Mapping[str, Any]) -> str:
        """Begin a run that asks questions about so many chunks; returns its id."""
        return self.add(
            status="generating",
            total_chunks=total_chunks,
            options=dict(options),
            started_at=now(),
            lease_until=_lease(),
        )

    def progress(self, run_id: str, **values: Any) -> None:
        """Write how far a run is, and that it lives."""
        with self._database.queueing() as connection:
            self._update(connection, run_id, lease_until=_lease(), **values)

    def account(self, run_id: str, outcomes: Sequence[Outcome]) -> None:
        """Write what became of chunks, with their pairs and the run's counts, all or nothing.

        Chunks that were purged meanwhile are passed over.

        Raises:
            ValueError: The run is not generating.
        """
        with self._database.writing() as connection:
            self._expect(connection, run_id, ("generating",))
            texts = self._texts(connection, [outcome.row for outcome in outcomes])
            alive = [outcome for outcome in outcomes if outcome.row in texts]
            done = run_chunks.c.run_id == run_id
            for part in parts([outcome.row for outcome in alive]):
                connection.execute(
                    run_chunks.delete().where(done, run_chunks.c.chunk_row.in_(part))
                )
            if alive:
                accounts = [self._account(run_id, outcome) for outcome in alive]
                connection.execute(insert(run_chunks), accounts)
            new = [
                values_of(pair, outcome.row, outcome.text_hash, texts[outcome.row], run_id)
                for outcome in alive
                for pair in outcome.pairs
            ]
            write_pairs(connection, self._database, new)
            self._count(connection, run_id)

    def _account(self, run_id: str, outcome: Outcome) -> dict[str, Any]:
        kept = sum(pair.reason is None for pair in outcome.pairs)
        return {
            "run_id": run_id,
            "chunk_row": outcome.row,
            "owner": self._database.owner,
            "status": "answered" if outcome.reason is None else "failed",
            "reason": outcome.reason,
            "text_hash": outcome.text_hash,
            "kept": kept,
            "quarantined": len(outcome.pairs) - kept,
        }

    def _texts(self, connection: Connection, rows: Sequence[int]) -> dict[int, str]:
        query = select(chunks.c.row, chunks.c.text).where(self._database.own_of_few(chunks))
        return {row: text for row, text in rows_in(connection, query, chunks.c.row, rows)}

    def _count(self, connection: Connection, run_id: str) -> None:
        accounts = self._database.own(run_chunks), run_chunks.c.run_id == run_id
        aside = func.coalesce(func.sum(run_chunks.c.quarantined), 0)
        done, quarantined = connection.execute(select(func.count(), aside).where(*accounts)).one()
        mine = self._database.own(pairs), pairs.c.run_id == run_id, pairs.c.reason.is_(None)
        kept = connection.execute(select(func.count()).where(*mine)).scalar_one()
        counts = {
            "processed_chunks": done,
            "quarantined_count": int(quarantined),
            "pair_count": kept,
            "lease_until": _lease(),
        }
        self._update(connection, run_id, **counts)

    def accounts(self, run_id: str) -> list[dict[str, Any]]:
        """What became of each chunk of a run, by chunk id."""
        names = "status", "reason", "kept", "quarantined"
        query = (
            select(chunks.c.id.label("chunk_id"), *(run_chunks.c[name] for name in names))
            .join(chunks, chunks.c.row == run_chunks.c.chunk_row)
            .where(self._database.own(run_chunks), run_chunks.c.run_id == run_id)
            .order_by(run_chunks.c.chunk_row)
        )
        with self._database.reading() as connection:
            return [as_dict(row) for row in connection.execute(query).mappings()]

    def get(self, run_id: str) -> dict[str, Any] | None:
        """A run, None if there is none of that id."""
        query = select(runs).where(self._database.own(runs), runs.c.id == run_id)
        with self._database.reading() as connection:
            row = connection.execute(query).mappings().first()
        return None if row is None else as_dict(row)

    def move(self, run_id: str, expected_status: str, new_status: str, **values: Any) -> None:
        """Bring a run from one status to another.

        Raises:
            ValueError: There is no such run, or its status is another.
        """
        with self._database.queueing() as connection:
            move_run(connection, self._database, run_id, (expected_status,), new_status, **values)

    def end(self, run_id: str, status: str, **values: Any) -> None:
        """Write how a run ended; one that has ended stays as it is."""
        with self._database.queueing() as connection:
            end_run(connection, self._database, run_id, status, **values)

    def left_behind(self) -> list[dict[str, Any]]:
        """Runs at work of which nobody has told for a while: their process is gone."""
        late = or_(runs.c.lease_until.is_(None), runs.c.lease_until < now())
        query = select(runs).where(self._database.own(runs), runs.c.status.in_(WORKING), late)
        with self._database.reading() as connection:
            return [as_dict(row) for row in connection.execute(query).mappings()]

    def note(self, run_id: str, **values: Any) -> None:
        """Write more about a run, whatever its status."""
        with self._database.queueing() as connection:
            self._update(connection, run_id, **values)

    def _expect(self, connection: Connection, run_id: str, expected: tuple[str, ...]) -> None:
        expect_run(connection, self._database, run_id, expected)

    def _update(self, connection: Connection, run_id: str, **values: Any) -> None:
        mine = self._database.own(runs), runs.c.id == run_id
        connection.execute(update(runs).where(*mine).values(**values))

    def list(self) -> list[dict[str, Any]]:
        """All runs, newest first."""
        query = select(runs).where(self._database.own(runs))
        with self._database.reading() as connection:
            found = connection.execute(query.order_by(runs.c.created_at.desc())).mappings()
            return [as_dict(row) for row in found]


def expect_run(
    connection: Connection, database: Database, run_id: str, expected: tuple[str, ...]
) -> None:
    """Check a run's status within a transaction, and lock its row.

    Raises:
        ValueError: There is no such run, or its status is another.
    """
    query = select(runs.c.status).where(database.own(runs), runs.c.id == run_id)
    status = connection.execute(query.with_for_update()).scalar_one_or_none()
    if status is None:
        raise ValueError(f"run: expected the id of a run, got {run_id!r}")
    if status not in expected:
        raise ValueError(f"run {run_id}: expected it {' or '.join(expected)}, got {status}")


def move_run(
    connection: Connection,
    database: Database,
    run_id: str,
    expected: tuple[str, ...],
    status: str,
    **values: Any,
) -> None:
    """Bring a run to a status within a transaction; see `RunTable.move`."""
    expect_run(connection, database, run_id, expected)
    times: dict[str, Any] = {"lease_until": _lease() if status in WORKING else None}
    if status in ENDED:
        times["completed_at"] = now()
    statement = update(runs).where(database.own(runs), runs.c.id == run_id)
    connection.execute(statement.values({"status": status} | times | values))


def end_run(
    connection: Connection, database: Database, run_id: str, status: str, **values: Any
) -> None:
    """Write within a transaction how a run ended; one that has ended stays as it is."""
    mine = database.own(runs), runs.c.id == run_id, runs.c.status.not_in(ENDED)
    times = {"completed_at": now(), "lease_until": None}
    connection.execute(update(runs).where(*mine).values({"status": status} | times | values))


def _lease() -> Any:
    return now() + timedelta(seconds=LEASE_S)
