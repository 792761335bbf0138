"""Who works on the queue: one job at a time, each training in a child that can be killed."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ragtune.jobs.process import Child
from ragtune.store import Job, Store
from ragtune.store.jobs import UnknownJobError

if TYPE_CHECKING:
    from ragtune.jobs import Home

LOOK_S = 0.1  # between two looks at the child, and at whether the job was cancelled
IDLE_S = 0.5  # between two looks for a job
TELL_S = 1.0  # between two signs of life, at most


class Worker:
    """Takes jobs, watches over their children, and tells the store that it lives.

    If it dies, its child sees that its standard input ends and dies, too; the job's lease runs
    out, and another worker takes it. Only who holds the lease can publish.
    """

    def __init__(self, store: Store, home: Home, *, lease_s: float = 15.0) -> None:
        """Be ready to `run`.

        Args:
            store: Where the queue is.
            home: The memory that children open.
            lease_s: So long after its last sign of life a worker counts as dead.
        """
        self.name = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"[:128]
        self._store = store
        self._home = home
        self._lease_s = lease_s
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def is_running(self) -> bool:
        """Whether the thread of `start` is at work."""
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> None:
        """Run in a thread."""
        self._thread = threading.Thread(target=self.run, name="ragtune-worker", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End after the next look; the job at hand goes back into the queue."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def run(self, *, until_idle: bool = False) -> int:
        """Work until `stop`, or until there is nothing to do; returns how many jobs it took."""
        count = 0
        while not self._stop.is_set():
            job = self._store.jobs.claim(self.name, self._lease_s)
            if job is not None:
                count += 1
                with contextlib.suppress(UnknownJobError):  # it ended, and was deleted at once
                    self._work(job)
                continue
            self._sweep()
            if until_idle:
                break
            self._stop.wait(IDLE_S)
        return count

    def _work(self, job: Job) -> None:
        self._log(job, f"attempt {job.attempts} of {job.max_attempts}")
        if job.kind != "train":
            self._store.jobs.end_attempt(job.claim, "failed", f"unknown kind {job.kind}")
            return
        with Child(self._home.to_dict() | {"job": job.id}, job.payload) as child:
            reason = self._watch(job, child)
        self._settle(job, reason, child)
        self._sweep()

    def _watch(self, job: Job, child: Child) -> str:
        """Wait for the child; returns how it came to an end."""
        start = beaten = time.monotonic()
        while True:
            gone = child.wait(LOOK_S)
            self._pass_on(job, child)
            if gone:
                return "exit"
            now = time.monotonic()
            if job.time_limit_s is not None and now - start > job.time_limit_s:
                return "time"
            if self._stop.is_set():
                return "stop"
            if self._store.jobs.get(job.id).cancel_requested:
                return "cancel"
            if now - beaten > min(TELL_S, self._lease_s / 4):
                beaten = now
                if not self._store.jobs.beat(job.claim, self._lease_s, child.progress):
                    return "lost"

    def _settle(self, job: Job, reason: str, child: Child) -> None:
        """Write what came of an attempt; what the child published is not touched."""
        jobs, claim = self._store.jobs, job.claim
        self._pass_on(job, child)
        if reason == "cancel":
            self._log(job, "cancelled", "warning")
            jobs.end_attempt(claim, "cancelled", "cancelled")
        elif reason == "stop":
            jobs.give_back(claim)
        elif reason == "time":
            self._fail(job, f"took longer than {job.time_limit_s:g} s", last=True)
        elif reason == "exit":
            now = jobs.get(job.id)  # the child may have ended it: its model is published
            if now.claim == claim and now.cancel_requested:
                jobs.end_attempt(claim, "cancelled", "cancelled")
            elif now.claim == claim and not now.has_ended:
                self._fail(job, child.error, last=job.attempts >= job.max_attempts)

    def _fail(self, job: Job, error: str, *, last: bool) -> None:
        self._log(job, error, "error")
        self._store.jobs.end_attempt(job.claim, "failed" if last else "queued", error)

    def _pass_on(self, job: Job, child: Child) -> None:
        lines = child.lines()
        if lines:
            self._store.jobs.log(job.id, lines)

    def _log(self, job: Job, line: str, level: str = "info") -> None:
        self._store.jobs.log(job.id, [(level, line)])

    def _sweep(self) -> None:
        """Remove files of attempts that were killed before the store knew of them."""
        files = [p for p in self._folder.glob("*-*-*.ragtune*") if p.is_file()]
        if not files:
            return
        # In this order: what a job that is over by now has published is among the known.
        jobs = {job.id: job for job in self._store.jobs.list()}
        known = self._store.models.files()
        for path in files:
            if path.name not in known and _is_over(path, jobs):
                path.unlink(missing_ok=True)

    @property
    def _folder(self) -> Path:
        return self._home.path / "models"


def _is_over(path: Path, jobs: Mapping[str, Job]) -> bool:
    """Whether no attempt at work can be the one that writes a file."""
    job_id, attempt, *_ = path.name.split("-")
    if job_id not in jobs or not attempt.isdigit():
        return False
    job = jobs[job_id]
    return job.status != "training" or int(attempt) < job.attempts
