"""`memory.jobs`: trainings in the background, each in a process of its own.

The queue is in the store, so it outlives every process; see `worker` for who works on it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ragtune.learning import Options
from ragtune.space import EmbeddingSpace
from ragtune.store import Job, Lock, Store
from ragtune.types import Progress

if TYPE_CHECKING:
    from ragtune.jobs.worker import Worker

__all__ = ["Home", "Job", "Jobs"]

FOLLOW_S = 0.2  # between two looks for new lines


@dataclass(frozen=True, slots=True)
class Home:
    """What another process needs to open the same memory."""

    path: Path
    store: str | None
    owner: str

    def to_dict(self) -> dict[str, str | None]:
        """The same as what JSON can hold; its URL may have a password."""
        return {"path": str(self.path.absolute()), "store": self.store, "owner": self.owner}


class Jobs:
    """Jobs of a memory: `queued -> training -> ready | failed | cancelled`."""

    def __init__(self, store: Store, space: EmbeddingSpace, home: Home) -> None:
        self._store = store
        self._space = space
        self._home = home
        self._worker: Worker | None = None
        self._lock = Lock()

    def train(
        self,
        run_id: str,
        *,
        strategy: str = "auto",
        hyperparameters: Mapping[str, Any] | None = None,
        coverage: float = 0.5,
        seed: int = 0,
        time_limit_s: float | None = None,
        memory_limit_mb: int | None = None,
        max_attempts: int = 3,
        progress: Progress | None = None,
    ) -> str:
        """Queue the training of a run that is `generated`; returns the job's id.

        Questions are embedded here, and with an embedder of your own the sentences of chunks,
        for a worker has none. An attempt that fails is made again, at last with a strategy that
        hardly can: ridge with a high penalty.

        Args:
            run_id: What to train; see `Memory.tune` for the arguments that follow.
            strategy: How to learn.
            hyperparameters: Overrides of the strategy's own.
            coverage: Share of traffic that falls on documents with questions.
            seed: Decides folds and resamples.
            time_limit_s: A training that takes longer fails.
            memory_limit_mb: Address space of the process that trains.
            max_attempts: How often it is tried.
            progress: Called with (embedded, to embed).

        Raises:
            ValueError: The run is not `generated`, or an argument is out of range.
        """
        for name, value in (("time_limit_s", time_limit_s), ("memory_limit_mb", memory_limit_mb)):
            if value is not None and value <= 0:
                raise ValueError(f"{name}: expected more than 0, got {value}")
        if max_attempts < 1:
            raise ValueError(f"max_attempts: expected at least 1, got {max_attempts}")
        options = Options(strategy, dict(hyperparameters or {}), coverage, seed)
        self._embed(run_id, options, progress)
        payload = {
            "run_id": run_id,
            "options": options.to_dict(),
            "memory_limit_mb": memory_limit_mb,
        }
        return self._store.jobs.add_training(
            payload, max_attempts=max_attempts, time_limit_s=time_limit_s
        )

    def _embed(self, run_id: str, options: Options, progress: Progress | None) -> None:
        questions = {pair.question: None for pair in self._store.pairs.living(run_id)}
        if questions:
            self._space.questions(list(questions), progress)
        if options.look_at_sentences and self._space.is_given:
            self._space.make_sentences(progress)

    def list(self, status: str | None = None) -> list[Job]:
        """Jobs, newest first."""
        return self._store.jobs.list(status)

    def get(self, job_id: str) -> Job:
        """A job.

        Raises:
            ValueError: There is none of that id.
        """
        return self._store.jobs.get(job_id)

    def cancel(self, job_id: str) -> str:
        """Cancel a job and return its status; one at work ends within a second.

        Raises:
            ValueError: There is none of that id.
        """
        return self._store.jobs.cancel(job_id)

    def delete(self, job_id: str) -> None:
        """Forget a job that has ended, and what it said.

        Raises:
            ValueError: There is none of that id, or it has not ended.
        """
        self._store.jobs.delete(job_id)

    def wait(
        self, job_id: str, timeout_s: float | None = None, *, progress: Progress | None = None
    ) -> Job:
        """Wait until a job has ended.

        Args:
            job_id: Which one.
            timeout_s: How long at most; None is for ever.
            progress: Called with (done, total) as its worker tells it.

        Raises:
            TimeoutError: It has not in time.
            ValueError: There is none of that id.
        """
        end = None if timeout_s is None else time.monotonic() + timeout_s
        while not (job := self.get(job_id)).has_ended:
            if progress and job.progress:
                progress(job.progress["done"], job.progress["total"])
            if end is not None and time.monotonic() > end:
                raise TimeoutError(f"job {job_id}: still {job.status} after {timeout_s} s")
            time.sleep(FOLLOW_S / 4)
        return job

    def logs(self, job_id: str, follow: bool = False) -> Iterator[dict[str, Any]]:
        """Lines of a job: seq, time, level, line; with `follow` until it has ended.

        Raises:
            ValueError: There is none of that id.
        """
        self.get(job_id)
        return self._lines(job_id, follow)

    def _lines(self, job_id: str, follow: bool) -> Iterator[dict[str, Any]]:
        last = 0
        while True:
            ended = not follow or self.get(job_id).has_ended  # asked first: then all is there
            for line in self._store.jobs.logs(job_id, last):
                last = line["seq"]
                yield line
            if ended:
                return
            time.sleep(FOLLOW_S)

    def worker(self, *, lease_s: float = 15.0) -> Worker:
        """One who works on the queue; `run` it in a thread or a process of its own."""
        from ragtune.jobs.worker import Worker

        return Worker(self._store, self._home, lease_s=lease_s)

    def start_worker(self) -> None:
        """Work on the queue in a thread of this process, if none does yet."""
        with self._lock:
            if self._worker is None or not self._worker.is_running:
                self._worker = self.worker()
                self._worker.start()

    def stop_worker(self) -> None:
        """End the thread of `start_worker`; its job goes back into the queue."""
        with self._lock:
            if self._worker is not None:
                self._worker.stop()
                self._worker = None
