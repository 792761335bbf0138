"""The sets of bench_tuning.py, the rankings that learn nothing, and what others learn.

Each peer is trained as its maker describes it. It takes a `Lesson` and returns the documents and
the asked queries as it would search them, by cosine: NUDGE moves documents, linear adapters move
queries.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from trainers import Split, Task, nudge_ft, torch_contrastive

import ragtune
from ragtune import _core
from ragtune.arrays import unit_rows
from ragtune.inverse_cloze import Sentences
from ragtune.training_data import sources_of, training_data
from ragtune.tuning import tune

Floats = NDArray[np.float32]
Ids = NDArray[np.int64]
Moved = tuple[Floats, Floats]
Grades = Sequence[dict[int, float]]

COVERAGE = 0.5

RRF = 60  # Cormack, Clarke & Buettcher 2009, doi:10.1145/1571941.1572114


@dataclass(frozen=True)
class Set:
    """One BEIR folder: unit rows, texts, and the judgments of both splits, by query."""

    name: str
    corpus: Any
    queries: Any
    beir: Any
    parts: Any

    @classmethod
    def read(cls, folder: Path) -> Set:
        corpus, queries, parts = (
            np.load(folder / f"{kind}.minilm.f16.npy").astype(np.float32)
            for kind in ("corpus", "queries", "parts")
        )
        rows = np.load(folder / "parts.rows.npy").astype(np.int64)
        beir = ragtune.evaluation.read_beir(folder)
        return cls(folder.name, unit_rows(corpus), unit_rows(queries), beir, (parts, rows))

    @cached_property
    def sentences(self) -> Sentences:
        """What they teach is learned once for all fits whose time is not told."""
        return Sentences(self.corpus, *self.parts)

    @cached_property
    def sources(self) -> Any:
        """Legs of the whole corpus, made once for all fits whose time is not told."""
        return sources_of(self.corpus, self.beir.texts, self.sentences)

    def vectors(self, chosen: Sequence[int]) -> Any:
        return np.ascontiguousarray(self.queries[chosen])

    def texts(self, chosen: Sequence[int]) -> list[str]:
        return [self.beir.queries[q] for q in chosen]

    def fit(self, chosen: Sequence[int], grades: Grades, seed: int) -> Any:
        """The `auto` of `ragtune.fit` with texts and parts, over the sources made before."""
        vectors, texts = self.vectors(chosen), self.texts(chosen)
        data = training_data(self.corpus, vectors, grades, None, texts)
        data = replace(data, parts=self.sentences)
        return tune(data, self.sources, "auto", {}, COVERAGE, seed, None)


def positive(grades: dict[int, float]) -> set[int]:
    return {row for row, grade in grades.items() if grade > 0}


def judged(grades: Grades) -> list[int]:
    """Queries with a relevant row."""
    return [q for q, own in enumerate(grades) if any(grade > 0 for grade in own.values())]


def ndcg(rows: Any, grades: Grades) -> Any:
    return ragtune.evaluate(ragtune.Run(rows), ragtune.Qrels(grades), ["ndcg@10"])["ndcg@10"]


def percent(value: float) -> float:
    return round(100 * float(value), 2)


# -- without learning: rankings of the asked queries, (nq, 10) ----------------------------------


def nearest(corpus: Any, asked: Any, k: int = 10) -> Any:
    corpus, asked = (unit_rows(np.ascontiguousarray(x, dtype=np.float32)) for x in (corpus, asked))
    return _core.exact_search(corpus, asked, k=k)[1]


def by_words(task: Set, texts: list[str], k: int = 10) -> Any:
    return task.sources.lexical.indexes["words"].search(texts, k)[1]


def fixed_mix(model: Any, asked: Any, texts: list[str]) -> Any:
    """What the model serves if nothing is promoted."""
    return model.full.rank(model.sources, asked, texts, 10, learned=False)[1]


def safe(task: Set, model: Any, chosen: Sequence[int]) -> dict[str, Any]:
    """Rankings that need no promise: frozen, BM25, and the model's fixed mix of both."""
    asked, texts = task.vectors(chosen), task.texts(chosen)
    return {
        "frozen": nearest(task.corpus, asked),
        "BM25": by_words(task, texts),
        "best fixed mix": fixed_mix(model, asked, texts),
    }


# -- peers ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Lesson:
    """Unit rows corpus (n, d) and queries (nq, d), the relevant rows of each query."""

    corpus: Floats
    queries: Floats
    answers: Sequence[Sequence[int]]

    def csr(self, chosen: Ids) -> tuple[Floats, Ids, Ids]:
        """Some queries, offsets and rows of their pairs."""
        rows = [np.asarray(self.answers[q], dtype=np.int64) for q in chosen]
        offsets = np.cumsum([0, *map(len, rows)]).astype(np.int64)
        return np.ascontiguousarray(self.queries[chosen]), offsets, np.concatenate(rows)


def nudge_n(lesson: Lesson, asked: Floats) -> Moved:
    """NUDGE-N of nudge-ft; an eighth of the pairs, drawn at random, chooses its step (7:1)."""
    order = np.random.default_rng(0).permutation(len(lesson.queries))
    cut = len(order) // 8
    split = Split(lesson.corpus, lesson.csr(order[cut:]), lesson.csr(order[:cut]), "n")
    return nudge_ft(split), asked


def llama_index(lesson: Lesson, asked: Floats) -> Moved:
    """A linear layer that starts as the identity, in-batch negatives, no penalty.

    As the LlamaIndex guide trains it: one answer a query, batches of 10 in the given order, 4
    epochs of AdamW at 2e-5, a tenth of the steps warm-up and then down to 0, cosines times 20.
    """
    import torch

    torch.manual_seed(0)
    d, batch, epochs = lesson.corpus.shape[1], 10, 4
    layer = torch.nn.Linear(d, d, bias=False)
    torch.nn.init.eye_(layer.weight)
    first = np.array([rows[0] for rows in lesson.answers])
    questions, answers = torch.from_numpy(lesson.queries), torch.from_numpy(lesson.corpus[first])
    steps = epochs * -(-len(questions) // batch)
    warm_up = int(0.1 * steps)
    optimizer = torch.optim.AdamW(layer.parameters(), lr=2e-5)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer,
        lambda s: s / max(warm_up, 1) if s < warm_up else (steps - s) / max(steps - warm_up, 1),
    )
    for _ in range(epochs):
        for chosen in torch.arange(len(questions)).split(batch):
            moved = torch.nn.functional.normalize(layer(questions[chosen]), dim=1)
            logits = 20 * moved @ answers[chosen].T
            loss = torch.nn.functional.cross_entropy(logits, torch.arange(len(chosen)))
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(layer.parameters(), 1.0)
            optimizer.step()
            schedule.step()
    return lesson.corpus, asked @ layer.weight.detach().numpy().T


def torch_infonce(lesson: Lesson, asked: Floats) -> Moved:
    """q + q M by Adam, InfoNCE against the whole corpus, no penalty for leaving the identity.

    Rate, batch and epochs are those of ragtune's own contrastive strategy.
    """
    queries, offsets, rows = lesson.csr(np.arange(len(lesson.queries)))
    task = Task(
        lesson.corpus, queries, offsets, rows, "linear", 20, batch=128, rate=3e-3, penalty=0.0
    )  # fmt: skip
    return lesson.corpus, asked + asked @ torch_contrastive(task)["m"]


PEERS: dict[str, Callable[[Lesson, Floats], Moved]] = {
    "NUDGE-N": nudge_n,
    "LlamaIndex-style linear": llama_index,
    "PyTorch InfoNCE linear": torch_infonce,
}


def reciprocal_rank_fusion(rankings: Sequence[Ids], k: int) -> Ids:
    """Rows (nq, k) by the sum of 1 / (60 + rank) over rankings (nq, depth), -1 padded."""
    fused = np.full((len(rankings[0]), k), -1, dtype=np.int64)
    for q, lists in enumerate(zip(*rankings, strict=True)):
        scores: dict[int, float] = {}
        for rows in lists:
            for rank, row in enumerate(rows[rows >= 0].tolist(), start=1):
                scores[row] = scores.get(row, 0.0) + 1 / (RRF + rank)
        best = sorted(scores, key=lambda row: (-scores[row], row))[:k]
        fused[q, : len(best)] = best
    return fused
