"""Ten rounds in which half of the rows are deleted and come back as others, then: the recall.

Held against a fresh build of the same final content, at the same efforts and at the same
asked recall.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from common import alternate, finish, note
from peers import EF_CONSTRUCTION, M
from vectors import ROWS_PER_CLUSTER, Mixture, Task, arguments

import ragtune

EFFORTS = 16, 32, 64, 128
RECALL = 0.98
WAYS: dict[str, dict[str, Any]] = {
    **{f"ef_search={effort}": {"ef_search": effort} for effort in EFFORTS},
    f"recall={RECALL}": {"recall": RECALL},
}


def empty(d: int) -> Any:
    return ragtune.Index(d, metric="ip", kind="hnsw", M=M, ef_construction=EF_CONSTRUCTION)


def churn(index: Any, x: Any, mixture: Mixture, rounds: int) -> float:
    """Replace half of the rows of index and of x, `rounds` times; returns the seconds."""
    rng = np.random.default_rng(1)
    total = 0.0
    for turn in range(rounds):
        ids = rng.choice(len(x), size=len(x) // 2, replace=False)
        fresh = mixture.draw(len(ids))
        begin = time.perf_counter()
        removed = index.remove(ids)
        index.add(fresh, ids=ids, num_threads=2)
        total += time.perf_counter() - begin
        assert removed == len(ids)
        assert len(index) == len(x)
        x[ids] = fresh
        note(f"round {turn + 1}: {total:.1f} s")
    return total


def compare(indexes: dict[str, Any], task: Task, rounds: int) -> dict[str, Any]:
    """Recall and queries a second of each index, every way of asking, in turn."""
    result: dict[str, Any] = {}
    for way, how in WAYS.items():

        def search(index: Any, how: dict[str, Any] = how) -> Any:
            return index.search(task.queries, task.k, num_threads=1, **how)[1]

        medians = alternate({n: lambda i=i: search(i) for n, i in indexes.items()}, rounds)
        result[way] = {
            name: {
                "recall": task.recall(search(indexes[name])),
                "qps": len(task.queries) / seconds,
            }
            for name, seconds in medians.items()
        }
    return result


def main() -> None:
    options = arguments(__doc__, n=100_000, d=384, churns=10, queries=1000, rounds=3)
    mixture = Mixture(options.d, max(options.n // ROWS_PER_CLUSTER, 1), seed=0)
    x, queries = mixture.draw(options.n), mixture.draw(options.queries)
    churned = empty(options.d)
    churned.add(x, num_threads=2)
    seconds = churn(churned, x, mixture, options.churns)
    fresh = empty(options.d)
    begin = time.perf_counter()
    fresh.add(x, num_threads=2)
    build_seconds = time.perf_counter() - begin
    task = Task.of(x, queries)
    figures: dict[str, Any] = {
        "n": options.n,
        "d": options.d,
        "churns": options.churns,
        "seconds_per_churn": seconds / options.churns,
        "fresh_build_seconds": build_seconds,
        "ways": compare({"churned": churned, "fresh": fresh}, task, options.rounds),
    }
    begin = time.perf_counter()
    churned.compact()
    figures["compact_seconds"] = time.perf_counter() - begin
    figures["after_compact"] = compare({"churned": churned}, task, options.rounds)
    finish("churn", figures, options.save)


if __name__ == "__main__":
    main()
