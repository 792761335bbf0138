"""A worker's hold on a job: whoever lost it can write nothing more of that job."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, select, update

from ragtune.store.database import Database, now
from ragtune.store.schema import jobs
from ragtune.types import LostClaimError


@dataclass(frozen=True, slots=True)
class Claim:
    """One attempt at a job by one worker."""

    job_id: str
    worker: str
    attempt: int

    def holds(self, database: Database) -> ColumnElement[bool]:
        """The condition that the job is still in this hand."""
        return and_(
            database.own(jobs),
            jobs.c.id == self.job_id,
            jobs.c.status == "training",
            jobs.c.worker == self.worker,
            jobs.c.attempts == self.attempt,
        )


def check_claim(connection: Connection, database: Database, claim: Claim) -> None:
    """Check within a transaction that a claim holds, and lock the job's row.

    Raises:
        LostClaimError: Another worker has the job, or it was cancelled.
    """
    query = select(jobs.c.id).where(claim.holds(database), ~jobs.c.cancel_requested)
    if connection.execute(query.with_for_update()).first() is None:
        raise LostClaimError(f"job {claim.job_id}: attempt {claim.attempt} has lost it")


def extend_claim(connection: Connection, database: Database, claim: Claim, lease_s: float) -> bool:
    """Say that the worker lives; false if it has lost the job."""
    until = now() + timedelta(seconds=lease_s)
    statement = update(jobs).where(claim.holds(database)).values(lease_until=until)
    return connection.execute(statement).rowcount == 1


def end_claimed(
    connection: Connection, database: Database, claim: Claim, status: str, **values: Any
) -> bool:
    """Write how a job goes on after this attempt; false if the worker has lost it."""
    ends = {} if status == "queued" else {"ended_at": now()}
    free = {"worker": None, "lease_until": None}
    statement = update(jobs).where(claim.holds(database))
    return connection.execute(
        statement.values({"status": status} | ends | free | values)
    ).rowcount == 1  # fmt: skip
