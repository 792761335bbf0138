"""`Memory.search` with a ready embedding beside the index alone: 100,000 chunks, k = 5.

deep_memory searches through a promoted matrix; what it holds does not change its time, so it
is a random one, published with the report of the demo.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from common import RESULTS, finish, note
from vectors import Vectors, arguments, clustered

import ragtune
from ragtune import Report, _core
from ragtune.model import Model
from ragtune.registry import Lineage

K = 5


def promote(memory: ragtune.Memory, weights: Vectors) -> None:
    """Publish an adapter as a tuning would that was promoted."""
    demo = json.loads((RESULTS / "demo.json").read_text())["figures"]["report"]
    report = Report.from_json(json.dumps(demo))
    assert report.verdict.decision == "promote"
    run_id = memory.store.runs.add(status="training")
    adapter = _core.Adapter.linear(weights)
    memory.registry.publish(Model(adapter, report), run_id, Lineage({}, ""), {})


def microseconds(calls: dict[str, Callable[[Vectors], object]], queries: Vectors) -> dict[str, Any]:
    """Median and 99th percentile of each call, calls in turn, each time with another query.

    Were it the same query, the first call would warm the caches for those that follow.
    """
    times: dict[str, list[float]] = {name: [] for name in calls}
    for query in queries[:50]:
        for call in calls.values():
            call(query)
    apart = len(queries) // len(calls)
    for turn in range(len(queries)):
        for place, (name, call) in enumerate(calls.items()):
            query = queries[(turn + place * apart) % len(queries)]
            begin = time.perf_counter()
            call(query)
            times[name].append(1e6 * (time.perf_counter() - begin))
    return {
        name: {"median_us": float(np.median(t)), "p99_us": float(np.percentile(t, 99))}
        for name, t in times.items()
    }


def main() -> None:
    options = arguments(__doc__, n=100_000, d=384, calls=2000)
    x, queries = clustered(options.n, options.d, 0, options.calls)
    rng = np.random.default_rng(0)
    weights = np.eye(options.d, dtype=np.float32)
    weights += 0.01 * rng.standard_normal(weights.shape, dtype=np.float32)
    index = ragtune.Index(options.d, metric="ip", kind="hnsw")
    index.add(x)
    adapter = _core.Adapter.linear(weights)
    figures: dict[str, Any] = {"n": options.n, "d": options.d, "k": K, "calls": options.calls}
    with tempfile.TemporaryDirectory() as folder, ragtune.Memory(Path(folder)) as memory:
        names = [f"chunk {i}" for i in range(options.n)]
        begin = time.perf_counter()
        memory.add(names, ids=names, embeddings=x)
        figures["add_seconds"] = time.perf_counter() - begin
        promote(memory, weights)
        begin = time.perf_counter()
        memory.search(embedding=queries[0], k=K, deep_memory=True)
        figures["first_search_seconds"] = time.perf_counter() - begin
        note("first search done")
        figures |= microseconds(
            {
                "memory": lambda q: memory.search(embedding=q, k=K),
                "memory, deep": lambda q: memory.search(embedding=q, k=K, deep_memory=True),
                "index": lambda q: index.search(q, K),
                "index, one thread": lambda q: index.search(q, K, num_threads=1),
                "adapter": lambda q: adapter.apply(q[None]),
            },
            queries,
        )
    finish("memory_search", figures, options.save)


if __name__ == "__main__":
    main()
