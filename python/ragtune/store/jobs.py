"""The durable queue: jobs, who works on them, and what they said."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, and_, func, insert, or_, select, update

from ragtune.store.claims import Claim, end_claimed, extend_claim
from ragtune.store.database import Database, as_dict, now
from ragtune.store.runs import end_run, expect_run, move_run
from ragtune.store.schema import job_logs, jobs

ENDED = ("ready", "failed", "cancelled")


class UnknownJobError(ValueError):
    """There is no job of that id, or no longer."""


@dataclass(frozen=True, slots=True)
class Job:
    """A job as it is now: queued, training, ready, failed or cancelled."""

    id: str
    kind: str
    status: str
    payload: Mapping[str, Any]
    attempts: int
    max_attempts: int
    lease_until: datetime | None
    worker: str | None
    cancel_requested: bool
    time_limit_s: float | None
    progress: Mapping[str, Any] | None
    result: Mapping[str, Any] | None
    error: str | None
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None

    @property
    def has_ended(self) -> bool:
        """Whether nothing more will become of it."""
        return self.status in ENDED

    @property
    def claim(self) -> Claim:
        """The hold of the worker that has it."""
        return Claim(self.id, self.worker or "", self.attempts)

    @property
    def run_id(self) -> str | None:
        """The run that it works on."""
        run_id = self.payload.get("run_id")
        return None if run_id is None else str(run_id)


_COLUMNS = [jobs.c[name] for name in Job.__dataclass_fields__]


class JobTable:
    """Jobs of one owner."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(
        self,
        kind: str,
        payload: Mapping[str, Any],
        *,
        max_attempts: int = 3,
        time_limit_s: float | None = None,
    ) -> str:
        """Put a job into the queue and return its id."""
        with self._database.queueing() as connection:
            return add_job(connection, self._database, kind, payload, max_attempts, time_limit_s)

    def add_training(
        self, payload: Mapping[str, Any], *, max_attempts: int, time_limit_s: float | None
    ) -> str:
        """Queue the training of payload["run_id"], which is `training` from then on.

        Raises:
            ValueError: The run is not `generated`.
        """
        with self._database.queueing() as connection:
            expected, run_id = ("generated",), payload["run_id"]
            expect_run(connection, self._database, run_id, expected)
            job_id = add_job(
                connection, self._database, "train", payload, max_attempts, time_limit_s
            )
            move_run(connection, self._database, run_id, expected, "training", job_id=job_id)
        return job_id

    def claim(self, worker: str, lease_s: float) -> Job | None:
        """Take the oldest job that nobody works on, None if there is none.

        A job whose worker went silent is taken over, unless it was cancelled or has no attempt
        left: then it ends.
        """
        while True:
            with self._database.queueing() as connection:
                row = connection.execute(self._free()).mappings().first()
                if row is None:
                    return None
                job = Job(**as_dict(row))
                if job.cancel_requested:
                    self._end(connection, job, "cancelled", "cancelled")
                elif job.attempts >= job.max_attempts:
                    error = f"its worker went silent; attempt {job.attempts} was the last"
                    self._end(connection, job, "failed", error)
                else:
                    return self._take(connection, job, worker, lease_s)

    def _free(self) -> Any:
        silent = and_(jobs.c.status == "training", jobs.c.lease_until < now())
        free = self._database.own(jobs), or_(jobs.c.status == "queued", silent)
        oldest = select(*_COLUMNS).where(*free).order_by(jobs.c.created_at, jobs.c.id).limit(1)
        return oldest.with_for_update(skip_locked=True)  # of which SQLite's dialect says nothing

    def _take(self, connection: Connection, job: Job, worker: str, lease_s: float) -> Job:
        values: dict[str, Any] = {
            "status": "training",
            "worker": worker,
            "attempts": job.attempts + 1,
            "lease_until": now() + timedelta(seconds=lease_s),
            "started_at": job.started_at or now(),
        }
        mine = self._database.own(jobs), jobs.c.id == job.id
        connection.execute(update(jobs).where(*mine).values(**values))
        return self._get(connection, job.id)

    def _end(self, connection: Connection, job: Job, status: str, error: str) -> None:
        mine = self._database.own(jobs), jobs.c.id == job.id
        values = {"status": status, "error": error, "ended_at": now(), "worker": None,
                  "lease_until": None}  # fmt: skip
        connection.execute(update(jobs).where(*mine).values(**values))
        if job.run_id is not None:
            end_run(connection, self._database, job.run_id, status, error=error)

    def beat(self, claim: Claim, lease_s: float, progress: Mapping[str, Any] | None = None) -> bool:
        """Say that the worker lives, and how far it is; false if it has lost the job."""
        with self._database.queueing() as connection:
            held = extend_claim(connection, self._database, claim, lease_s)
            if held and progress is not None:
                statement = update(jobs).where(claim.holds(self._database))
                connection.execute(statement.values(progress=dict(progress)))
        return held

    def end_attempt(self, claim: Claim, status: str, error: str | None = None) -> bool:
        """Write what came of an attempt, `queued` to try again; false if the job was lost."""
        with self._database.queueing() as connection:
            job = self._get(connection, claim.job_id)
            held = end_claimed(connection, self._database, claim, status, error=error)
            if held and status in ENDED and job.run_id is not None:
                end_run(connection, self._database, job.run_id, status, error=error)
        return held

    def give_back(self, claim: Claim) -> bool:
        """Put a job back into the queue as if it had not been taken."""
        with self._database.queueing() as connection:
            attempts = claim.attempt - 1
            return end_claimed(connection, self._database, claim, "queued", attempts=attempts)

    def cancel(self, job_id: str) -> str:
        """Cancel a job: at once if nobody works on it, else its worker is told.

        Returns:
            Its status: one that had ended stays as it was.
        """
        with self._database.queueing() as connection:
            job = self._get(connection, job_id, lock=True)
            silent = job.lease_until is not None and job.lease_until < now()
            if job.status == "queued" or (job.status == "training" and silent):
                self._end(connection, job, "cancelled", "cancelled")
            elif job.status == "training":
                mine = self._database.own(jobs), jobs.c.id == job_id
                connection.execute(update(jobs).where(*mine).values(cancel_requested=True))
            return self._get(connection, job_id).status

    def get(self, job_id: str) -> Job:
        """A job.

        Raises:
            ValueError: There is none of that id.
        """
        with self._database.reading() as connection:
            return self._get(connection, job_id)

    def _get(self, connection: Connection, job_id: str, *, lock: bool = False) -> Job:
        query = select(*_COLUMNS).where(self._database.own(jobs), jobs.c.id == job_id)
        query = query.with_for_update() if lock else query
        row = connection.execute(query).mappings().first()
        if row is None:
            raise UnknownJobError(f"job: expected the id of a job, got {job_id!r}")
        return Job(**as_dict(row))

    def delete(self, job_id: str) -> None:
        """Forget a job that has ended, and what it said.

        Raises:
            ValueError: There is none of that id, or it has not ended.
        """
        with self._database.queueing() as connection:
            job = self._get(connection, job_id, lock=True)
            if not job.has_ended:
                raise ValueError(f"job {job_id}: expected it ended, got {job.status}; cancel it")
            connection.execute(jobs.delete().where(self._database.own(jobs), jobs.c.id == job_id))

    def log(self, job_id: str, lines: Sequence[tuple[str, str]]) -> None:
        """Keep lines (level, text) of what a job says."""
        last = select(func.max(job_logs.c.seq)).where(job_logs.c.job_id == job_id)
        with self._database.queueing() as connection:
            self._get(connection, job_id, lock=True)  # so that numbers are given out in turn
            first = (connection.execute(last).scalar_one() or 0) + 1
            own = {"job_id": job_id, "owner": self._database.owner, "time": now()}
            rows = [
                own | {"seq": first + i, "level": level, "line": line.replace("\0", "")}
                for i, (level, line) in enumerate(lines)
            ]
            if rows:
                connection.execute(insert(job_logs), rows)

    def logs(self, job_id: str, after: int = 0) -> list[dict[str, Any]]:
        """Lines of a job after number `after`: seq, time, level, line."""
        names = "seq", "time", "level", "line"
        mine = self._database.own(job_logs), job_logs.c.job_id == job_id
        query = select(*(job_logs.c[name] for name in names)).where(*mine, job_logs.c.seq > after)
        with self._database.reading() as connection:
            found = connection.execute(query.order_by(job_logs.c.seq)).mappings()
            return [as_dict(row) for row in found]

    def list(self, status: str | None = None) -> list[Job]:
        """Jobs, newest first."""
        query = select(*_COLUMNS).where(self._database.own(jobs))
        query = query if status is None else query.where(jobs.c.status == status)
        with self._database.reading() as connection:
            found = connection.execute(query.order_by(jobs.c.created_at.desc())).mappings()
            return [Job(**as_dict(row)) for row in found]


def add_job(
    connection: Connection,
    database: Database,
    kind: str,
    payload: Mapping[str, Any],
    max_attempts: int = 3,
    time_limit_s: float | None = None,
) -> str:
    """Put a job into the queue within a transaction and return its id."""
    job_id = uuid.uuid4().hex
    values = {
        "id": job_id,
        "owner": database.owner,
        "kind": kind,
        "status": "queued",
        "payload": dict(payload),
        "attempts": 0,
        "max_attempts": max_attempts,
        "cancel_requested": False,
        "time_limit_s": time_limit_s,
        "created_at": now(),
    }
    connection.execute(insert(jobs).values(**values))
    return job_id
