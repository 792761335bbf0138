"""`memory.deep_memory`: the vocabulary of Deep Memory, for code that was written for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ragtune.types import Pair

if TYPE_CHECKING:
    from ragtune.memory import Memory

Relevance = Sequence[Sequence[tuple[str, float]]]

TOP_K = (1, 3, 5, 10, 50, 100)


class DeepMemory:
    """Train, watch, evaluate and choose models under the names that Deep Memory had."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    def train(self, queries: Sequence[str], relevance: Relevance, **options: Any) -> str:
        """Learn in the background and return the job's id.

        Args:
            queries: Questions.
            relevance: For each question a list of (chunk id, score); above 0 is relevant.
            options: Of `memory.jobs.train`.

        Raises:
            TypeError: A score is not a number, or an item not a pair.
            ValueError: Lengths differ, a chunk id is unknown, or there is no pair.
        """
        pairs = [
            Pair(query, id_, score)
            for query, grades in zip(queries, _graded(queries, relevance), strict=True)
            for id_, score in grades.items()
        ]
        if not pairs:
            raise ValueError("relevance: expected at least one (chunk id, score), got none")
        memory = self._memory
        memory.add_pairs(pairs)
        job_id = memory.jobs.train(memory.runs.start(), **options)
        memory.jobs.start_worker()
        return job_id

    def status(self, job_id: str) -> dict[str, Any]:
        """How a job is: `status`, `progress`, `results`, `error`, `attempts` and times.

        Raises:
            ValueError: There is none of that id.
        """
        job = self._memory.jobs.get(job_id)
        return {
            "id": job.id,
            "status": job.status,
            "progress": dict(job.progress or {}),
            "results": dict(job.result or {}),
            "error": job.error,
            "attempts": job.attempts,
            "created_at": job.created_at,
            "ended_at": job.ended_at,
        }

    def cancel(self, job_id: str) -> bool:
        """Cancel a job; true if it had not ended before.

        Raises:
            ValueError: There is none of that id.
        """
        return self._memory.jobs.cancel(job_id) not in ("ready", "failed")

    def list_jobs(self) -> list[dict[str, Any]]:
        """All jobs, newest first."""
        return [self.status(job.id) for job in self._memory.jobs.list()]

    def delete(self, job_id: str) -> None:
        """Forget a job that has ended; its model stays.

        Raises:
            ValueError: There is none of that id, or it has not ended.
        """
        self._memory.jobs.delete(job_id)

    def evaluate(
        self,
        queries: Sequence[str],
        relevance: Relevance,
        top_k: Sequence[int] = TOP_K,
    ) -> dict[str, dict[str, float]]:
        """Recall of the frozen embeddings and of what serves.

        Returns:
            {"without model": {"recall@1": ...}, "with model": {"recall@1": ...}}

        Raises:
            ValueError: Lengths differ, a chunk id is unknown, or no query has a relevant chunk.
        """
        metrics = [f"recall@{k}" for k in top_k]
        report = self._memory.evaluate(queries, _graded(queries, relevance), metrics=metrics)
        parts = [part for part in (report.seen, report.unseen) if part is not None]
        total = sum(part.queries for part in parts)

        def mean(side: str, metric: str) -> float:
            return float(sum(getattr(part[metric], side) * part.queries for part in parts) / total)

        sides = {"without model": "before", "with model": "after"}
        return {
            name: {metric: mean(side, metric) for metric in metrics} for name, side in sides.items()
        }

    def set_model(self, version: int) -> None:
        """Let a model serve, whatever its verdict.

        Raises:
            ValueError: There is none of that version, or it cannot serve.
        """
        self._memory.models.promote(version)

    def get_model(self) -> int | None:
        """Version of the model that serves, None if none does."""
        return self._memory.models.serving()


def _graded(queries: Sequence[str], relevance: Relevance) -> list[dict[str, float]]:
    if len(relevance) != len(queries):
        raise ValueError(f"relevance: expected {len(queries)} lists, got {len(relevance)}")
    graded: list[dict[str, float]] = []
    for number, items in enumerate(relevance):
        grades: dict[str, float] = {}
        for item in items:
            if isinstance(item, str) or len(item) != 2:
                raise TypeError(f"relevance[{number}]: expected (chunk id, score), got {item!r}")
            id_, score = item
            if isinstance(score, bool) or not isinstance(score, int | float):
                raise TypeError(f"relevance[{number}]: expected a number as score, got {score!r}")
            grades[str(id_)] = float(score)
        graded.append(grades)
    return graded
