"""What each way of ranking the test split of a set is worth."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from common import note
from tuning_peers import Set, judged, percent, positive

import ragtune

METRICS = "ndcg@10", "recall@1", "recall@10", "mrr@10"


@dataclass
class Ways:
    """Collects what each way of ranking the test queries is worth."""

    task: Set
    figures: dict[str, Any]

    @cached_property
    def asked(self) -> list[int]:
        return judged(self.task.beir.test.grades)

    @cached_property
    def train(self) -> list[int]:
        return judged(self.task.beir.train.grades)

    @cached_property
    def words(self) -> dict[str, Any]:
        """What `fit` takes beside vectors and judgments."""
        return {"texts": self.task.beir.texts, "queries": self.task.texts(self.train)}

    def learned(self, name: str, **given: Any) -> Any:
        """Learn from the train split, and add how the model ranks, by texts, too, if given."""
        task, grades = self.task, [self.task.beir.train.grades[q] for q in self.train]
        begin = time.perf_counter()
        model = ragtune.fit(task.corpus, task.vectors(self.train), grades, **given)
        seconds = time.perf_counter() - begin
        said = task.texts(self.asked) if "texts" in given else None
        self.add(name, model.rank(task.vectors(self.asked), said, k=10)[1], seconds, model)
        return model

    @cached_property
    def slices(self) -> dict[str, Any]:
        """Which test queries have a relevant document with a training query, and which none."""
        trained = {row for grades in self.task.beir.train.grades for row in positive(grades)}
        tests = [positive(self.task.beir.test.grades[q]) for q in self.asked]
        seen = np.array([not trained.isdisjoint(rows) for rows in tests])
        return {"all": np.ones_like(seen), "seen": seen, "unseen": ~seen}

    def add(self, name: str, rows: Any, seconds: float | None = None, model: Any = None) -> None:
        """Score a ranking; `seconds` are those of learning."""
        grades = ragtune.Qrels([self.task.beir.test.grades[q] for q in self.asked])
        scores = ragtune.evaluate(ragtune.Run(rows), grades, METRICS)
        own = self.figures.setdefault(name, {})
        for part, which in self.slices.items():
            own[part] = {m: percent(s[which].mean()) for m, s in scores.items() if which.any()}
        own["seconds"] = None if seconds is None else round(seconds, 2)
        own["verdict"] = None if model is None else model.report.verdict.decision
        shown = {part: own[part].get("ndcg@10") for part in self.slices}
        note(f"  {name}: {shown} {own['seconds']} s {own['verdict'] or ''}")
