"""`memory.runs`: tunings from their questions to a model, and whether searches use it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ragtune.learning import Learning, Options, Split, TuningRun
from ragtune.report import Report
from ragtune.store import Claim, Job, Store
from ragtune.types import Progress

SAFE = Options("ridge", {"penalty": 1000.0, "contrast": 0.3})  # what a last attempt tries


class Runs:
    """Runs of a memory: `generating -> generated -> training -> completed`.

    Or `failed`, with the reason, or `cancelled`.
    """

    def __init__(self, store: Store, learning: Learning) -> None:
        self._store = store
        self._learning = learning

    def get(self, run_id: str) -> dict[str, Any]:
        """A run.

        Raises:
            ValueError: There is none of that id.
        """
        run = self._store.runs.get(run_id)
        if run is None:
            raise ValueError(f"run: expected the id of a run, got {run_id!r}")
        return run

    def detail(self, run_id: str) -> dict[str, Any]:
        """A run with its `sample` of 10 pairs, its questions per chunk, and what it covers.

        `coverage` is the share of living chunks, in percent, that have a question of this run.

        Raises:
            ValueError: There is no run of that id.
        """
        run = self.get(run_id)
        counts = self._store.pairs.counts(run_id)
        chunks = self._store.chunks.count()
        covered = len(counts.per_chunk)
        return run | {
            "sample": self._store.pairs.sample(run_id),
            "kept": counts.kept,
            "quarantined": counts.quarantined,
            "questions_per_chunk": counts.kept / covered if covered else 0.0,
            "per_chunk": counts.per_chunk,
            "coverage": 100.0 * covered / chunks if chunks else 0.0,
        }

    def start(self) -> str:
        """Start a run on the pairs that are there: it is `generated`, and can be trained.

        Raises:
            ValueError: There are none.
        """
        count = len(self._store.pairs.living())
        if count == 0:
            raise ValueError("pairs: expected at least one, got none; see Memory.questions.add")
        return self._store.runs.add(status="generated", pair_count=count)

    def train(
        self,
        run_id: str,
        *,
        strategy: str = "auto",
        hyperparameters: Mapping[str, Any] | None = None,
        coverage: float = 0.5,
        seed: int = 0,
        progress: Progress | None = None,
    ) -> TuningRun:
        """Learn from a run's pairs and those of all completed runs, here and now.

        `memory.jobs.train` does it in another process. Arguments are those of `Memory.tune`.

        Raises:
            ValueError: The run is not `generated`, or there is nothing to learn from.
        """
        options = Options(strategy, dict(hyperparameters or {}), coverage, seed)
        return self._learning.train(run_id, options, progress)

    def result(self, run_id: str) -> TuningRun:
        """What came of a run that is completed, wherever it was trained.

        Raises:
            ValueError: There is no run of that id, it is not completed, or its model was deleted.
        """
        run = self._completed(run_id)
        model = next((m for m in self._store.models.list() if m["run_id"] == run_id), None)
        if model is None:
            raise ValueError(f"run {run_id}: expected it to have a model, which was deleted")
        report = Report.from_json(run["report"])
        return TuningRun(
            run_id, run["status"], report, run["pair_count"], model["version"], model["promoted"]
        )

    def work(self, job: Job, progress: Progress | None = None) -> TuningRun:
        """Do a job that a worker took; its last attempt is at what hardly can go wrong."""
        claim: Claim = job.claim
        options = SAFE
        if job.attempts < job.max_attempts or job.max_attempts == 1:
            options = Options(**job.payload["options"])
        return self._learning.train(str(job.run_id), options, progress, claim)

    def evaluate(
        self,
        run_id: str,
        *,
        k: Sequence[int] = (1, 3, 5, 10),
        share: float = 0.1,
        seed: int = 0,
    ) -> dict[str, Any]:
        """Learn again without a share of the documents, and measure on their questions.

        Args:
            run_id: A run that is `completed`.
            k: Depths to measure at.
            share: Of the questions, held out at least; 0.1 to 0.5.
            seed: Decides which documents.

        Returns:
            `questions` learned from, `held_out` ones, and `before` and `after` by metric.

        Raises:
            ValueError: The run is not completed, an argument is out of range, or there are
                questions about one document only.
        """
        if not k or any(isinstance(n, bool) or not isinstance(n, int) or n < 1 for n in k):
            raise ValueError(f"k: expected whole numbers above 0, got {list(k)}")
        run = self._completed(run_id)
        options = Options(run["strategy"], run["hyperparameters"], seed=seed)
        found = self._learning.hold_out(run_id, options, Split(share, tuple(k)))
        metrics = dict(run["metrics"] or {}) | {"hold_out": found}
        self._store.runs.note(run_id, metrics=metrics)
        return found

    def can_enable(self) -> tuple[bool, str]:
        """Whether `enable` would work, and the reason if not."""
        if any(run["status"] == "completed" for run in self._store.runs.list()):
            return True, ""
        return False, "no run is completed yet; train one first"

    def enable(self) -> None:
        """Let `search` use what was learned, unless it is told otherwise.

        Raises:
            ValueError: No run is completed.
        """
        can, reason = self.can_enable()
        if not can:
            raise ValueError(f"runs: {reason}")
        self._store.settings.set(enabled=True)

    def disable(self) -> None:
        """Let `search` use the frozen embeddings, unless it is told otherwise."""
        self._store.settings.set(enabled=False)

    def is_enabled(self) -> bool:
        """Whether `search` uses what was learned, unless it is told otherwise."""
        return self._store.settings.get().enabled

    def new_chunks(self) -> int:
        """Chunks that were added or changed since the last training."""
        return self._store.chunks.new_since_training()

    def recover(self) -> list[dict[str, Any]]:
        """Find runs that a killed process left; returns them as they are now.

        One that was generating is `failed`, and what it has can be resumed; one that was
        training is `generated` again, to be trained anew. Those of jobs are their workers'.
        """
        left = self._store.runs.left_behind()
        queued = {job.id for job in self._store.jobs.list() if not job.has_ended}
        left = [run for run in left if run["job_id"] not in queued]
        for run in left:
            was = run["status"]
            now = "generated" if was == "training" else "failed"
            reason = f"its process ended while it was {was}"
            self._store.runs.move(run["id"], was, now, error=reason)
        return [self.get(run["id"]) for run in left]

    def resume(self, run_id: str) -> str:
        """Let a run that failed or was cancelled go on; returns its status.

        It is `generating` if chunks are left to be asked about, else `generated`.

        Raises:
            ValueError: The run has not failed and was not cancelled.
        """
        run = self.get(run_id)
        if run["status"] not in ("failed", "cancelled"):
            raise ValueError(f"run {run_id}: expected it failed or cancelled, got {run['status']}")
        asks = run["processed_chunks"] < run["total_chunks"]
        status = "generating" if asks else "generated"
        free = {"error": None, "completed_at": None, "job_id": None}
        self._store.runs.move(run_id, run["status"], status, **free)
        return status

    def list(self) -> list[dict[str, Any]]:
        """All runs, newest first."""
        return self._store.runs.list()

    def _completed(self, run_id: str) -> dict[str, Any]:
        run = self.get(run_id)
        if run["status"] != "completed":
            raise ValueError(f"run {run_id}: expected it completed, got {run['status']}")
        return run
