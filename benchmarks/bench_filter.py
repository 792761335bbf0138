"""Filtered search beside faiss-cpu's id selectors and hnswlib's filter: random ids, one thread.

`all_results` is the share of queries that got min(k, matches) of them. hnswlib is asked query
by query, since one that finds fewer than k fails the whole call.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import faiss
import numpy as np
from common import alternate, finish, note
from numpy.typing import NDArray
from peers import Faiss, Hnswlib, Ids, Ragtune
from vectors import Task, arguments, clustered

K = 10
SHARES = 0.5, 0.1, 0.01, 0.001, 0.0001
LADDER = [10, 16, 32, 64, 128, 256, 512, 1024, 2000]
RECALL = 0.98
PATIENCE_S = 20.0  # for one engine to climb: hnswlib calls Python for every candidate
Search = Callable[[int], Ids]


@dataclass
class Built:
    """The three indexes, over the same vectors."""

    ragtune: Ragtune
    faiss: Faiss
    hnswlib: Hnswlib


def with_faiss(index: Any, task: Task, selector: Any) -> Search:
    def search(effort: int) -> Ids:
        faiss.omp_set_num_threads(1)
        how = faiss.SearchParametersHNSW(efSearch=effort, sel=selector)
        return index.search(task.queries, K, params=how)[1]

    return search


def with_hnswlib(index: Any, task: Task, allowed: NDArray[np.bool_]) -> Search:
    passes = allowed.tolist().__getitem__  # the cheapest callable there is

    def search(effort: int) -> Ids:
        index.set_ef(effort)
        ids = np.full((len(task.queries), task.k), -1, dtype=np.int64)
        for row, query in zip(ids, task.queries, strict=True):
            try:
                row[:] = index.knn_query(query, task.k, num_threads=1, filter=passes)[0][0]
            except RuntimeError:  # fewer than k found: it gives none of them
                continue
        return ids

    return search


def searches(built: Built, task: Task, allowed: NDArray[np.bool_]) -> dict[str, Search]:
    """Every engine with this filter; the filter itself is made before the clock starts."""
    rows = np.flatnonzero(allowed)
    bits = np.packbits(allowed, bitorder="little")
    index = built.faiss.index
    return {
        "ragtune": lambda effort: built.ragtune.index.search(
            task.queries, K, ef_search=effort, filter=allowed, num_threads=1
        )[1],
        "faiss bitmap": with_faiss(index, task, faiss.IDSelectorBitmap(bits)),
        "faiss batch": with_faiss(index, task, faiss.IDSelectorBatch(rows)),
        "hnswlib": with_hnswlib(built.hnswlib.index, task, allowed),
    }


def climb(search: Search, task: Task, allowed: NDArray[np.bool_]) -> dict[str, Any]:
    """The lowest effort with the recall, or the one with the best."""
    best: dict[str, Any] = {"recall": -1.0}
    begin = time.perf_counter()
    for effort in LADDER:
        if time.perf_counter() - begin > PATIENCE_S:
            best["gave_up_before"] = effort
            break
        ids = search(effort)
        if not allowed[ids[ids >= 0]].all():
            raise AssertionError("a row that the filter excludes was returned")
        recall = task.recall(ids)
        if recall > best["recall"]:
            full = float(((ids >= 0).sum(axis=1) == task.k).mean())
            best = {"effort": effort, "recall": recall, "all_results": full}
        if recall >= RECALL:
            break
    return best


def in_turn(turns: dict[str, Callable[[], Ids]], rounds: int) -> dict[str, float]:
    """Median seconds; what takes longer than `PATIENCE_S` a turn is timed once, on its own."""
    first: dict[str, float] = {}
    for name, turn in turns.items():
        begin = time.perf_counter()
        turn()
        first[name] = time.perf_counter() - begin
    quick = {name: turn for name, turn in turns.items() if first[name] < PATIENCE_S / 4}
    return first | alternate(quick, rounds)


def measure(built: Built, task: Task, allowed: NDArray[np.bool_], rounds: int) -> dict[str, Any]:
    """Recall and milliseconds a query of each engine, timed in turn at the effort it needs."""
    ways = searches(built, task, allowed)
    found = {name: climb(search, task, allowed) for name, search in ways.items()}
    turns = {name: lambda n=name: ways[n](found[n]["effort"]) for name in ways}
    for name, seconds in in_turn(turns, rounds).items():
        found[name]["ms_per_query"] = 1e3 * seconds / len(task.queries)
    return {"matches": int(allowed.sum()), "k": task.k, "engines": found}


def main() -> None:
    options = arguments(__doc__, n=100_000, d=384, queries=200, rounds=3)
    x, queries = clustered(options.n, options.d, 0, options.queries)
    built = Built(Ragtune(), Faiss(), Hnswlib())
    for engine in (built.ragtune, built.faiss, built.hnswlib):
        engine.build(x, threads=2)
        note(f"{engine.name}: built")
    rng = np.random.default_rng(0)
    figures: dict[str, Any] = {
        "n": options.n,
        "d": options.d,
        "queries": options.queries,
        "recall": RECALL,
        "peers": [built.faiss.name, built.hnswlib.name],
        "selectivity": {},
    }
    for share in SHARES:
        rows = rng.choice(options.n, size=max(round(share * options.n), 1), replace=False)
        allowed = np.zeros(options.n, dtype=bool)
        allowed[rows] = True
        task = Task.of(x, queries, rows=rows)
        figures["selectivity"][f"{share:.2%}"] = measure(built, task, allowed, options.rounds)
        note(f"{share:.2%}: done")
        finish("filter", figures, options.save)  # after each, since the last take long


if __name__ == "__main__":
    main()
