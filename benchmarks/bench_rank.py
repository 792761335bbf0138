"""One query through a full model at 100,000 chunks with 600,000 sentences: what each part takes.

The weights do not matter for the time, so they are set by hand; everything else is as it serves.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from common import finish, note
from vectors import arguments, clustered

import ragtune
from ragtune import _core
from ragtune.chunk_words import IndexVectors
from ragtune.features import LEGS, Line
from ragtune.full_model import FullModel, StoredQuestions
from ragtune.fusion import Fusion, SeenExpert, Trust
from ragtune.legs import DEPTH, Lexical, Sources

WORDS, PER_CHUNK, PER_QUESTION = 50_000, 80, 10


def texts(count: int, length: int, rng: np.random.Generator) -> list[str]:
    """Words by Zipf's law."""
    numbers = np.minimum(rng.zipf(1.3, size=(count, length)), WORDS)
    return [" ".join(f"w{number}" for number in row) for row in numbers]


def full_model(d: int, questions: StoredQuestions) -> FullModel:
    """Every leg and both experts, with weights that are not all zero."""
    base, told = np.linspace(0.5, 1.5, len(LEGS)), _core.QUESTION_FEATURES
    trust = Trust(np.zeros(told), np.ones(told), np.full(told + 1, 0.1))
    seen = SeenExpert(base, np.ones(len(LEGS) + _core.MEMORY_FEATURES), Line(0.1, 0.8), trust)
    turn = np.linalg.qr(np.eye(d) + 0.01 * np.random.default_rng(1).normal(size=(d, d)))[0]
    adapter = _core.Adapter.linear(np.ascontiguousarray(turn, dtype=np.float32))
    fusion = Fusion(LEGS, base, seen)
    return FullModel(fusion, Fusion(LEGS, base), adapter, questions, questions.memory())


def medians(ways: dict[str, Callable[[int], Any]], queries: int) -> dict[str, float]:
    """Milliseconds a query of each way, the ways in turn for each query."""
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for q in range(queries):
        for name, way in ways.items():
            begin = time.perf_counter()
            way(q)
            taken[name].append(1e3 * (time.perf_counter() - begin))
    return {name: statistics.median(values[queries // 10 :]) for name, values in taken.items()}


def main() -> None:
    options = arguments(__doc__, n=100_000, d=384, parts=6, stored=5000, queries=300)
    n, d, rng = options.n, options.d, np.random.default_rng(0)
    x, queries = clustered(n, d, 0, options.queries)
    index = _core.Index(d, metric="ip", kind="hnsw")
    index.update(x, np.arange(n), removed=np.empty(0, np.int64))
    note("index built")
    lexical = Lexical()
    lexical.add(np.arange(n), texts(n, PER_CHUNK, rng))
    note("words read")
    parts = _core.Parts(d)
    for _ in range(options.parts):
        noise = rng.standard_normal((n, d), dtype=np.float32)
        parts.add(x + 0.5 * noise / np.sqrt(np.float32(d)), np.arange(n))
    note("parts coded")
    asked = texts(options.queries, PER_QUESTION, rng)
    about = rng.integers(0, n, size=options.stored)
    stored = StoredQuestions(
        np.ascontiguousarray(x[about]), about, texts(options.stored, PER_QUESTION, rng), "english"
    )
    model, sources = full_model(d, stored), Sources(IndexVectors(index), lexical, parts)
    ways = {
        "dense search": lambda q: index.search(queries[q : q + 1], k=DEPTH, num_threads=1),
        "full model": lambda q: model.rank(
            sources, queries[q : q + 1], [asked[q]], 10, learned=True
        ),
    }
    found = medians(ways, options.queries)
    figures = {
        "n": n,
        "d": d,
        "parts": len(parts),
        "stored_questions": options.stored,
        "bytes_per_part": parts.size_bytes / len(parts),
        "ms": found,
        "ms_beyond_dense_search": found["full model"] - found["dense search"],
        "version": ragtune.__version__,
    }
    finish("rank", figures, options.save)


if __name__ == "__main__":
    main()
