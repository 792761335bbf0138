"""HNSW beside its peers: recall and queries a second of one thread, and seconds to build."""

from __future__ import annotations

import gc
import statistics
import time
from typing import Any

from common import alternate, finish, note
from peers import Engine, Faiss, Ragtune, at_recall, engines, sweep
from vectors import Task, Vectors, arguments, clustered, minilm

TARGETS = 0.95, 0.995
SHAPES = ["100000x384", "100000x768", "100000x1536"]
ONE_BY_ONE = 200  # queries of the calls with a single one


def build_all(built: list[Engine], x: Vectors, times: int, threads: int) -> dict[str, float]:
    """Median seconds to build each, in turn; what is kept is the last of each."""
    seconds: dict[str, list[float]] = {engine.name: [] for engine in built}
    for _ in range(times):
        for engine in built:
            begin = time.perf_counter()
            engine.build(x, threads)
            seconds[engine.name].append(time.perf_counter() - begin)
            note(f"  {engine.name}: built in {seconds[engine.name][-1]:.1f} s")
    return {name: statistics.median(values) for name, values in seconds.items()}


def beside(curves: dict[str, list[dict[str, Any]]], target: float) -> dict[str, Any]:
    """What every engine does at one recall, and how many times ragtune's speed that is."""
    found = {name: at_recall(curve, target) for name, curve in curves.items()}
    ours = next(iter(found.values()))
    return {
        name: None
        if point is None
        else point | {"ragtune_is_faster_by": ours["qps"] / point["qps"] if ours else None}
        for name, point in found.items()
    }


def one_by_one(built: list[Engine], task: Task, points: dict[str, Any]) -> dict[str, float]:
    """Microseconds of a call with one query, for ragtune and FAISS, each at its own effort."""
    queries = [task.queries[i : i + 1] for i in range(min(ONE_BY_ONE, len(task.queries)))]

    def each(engine: Engine) -> None:
        for query in queries:
            engine.search(query, task.k, points[engine.name]["effort"])

    ready = [e for e in built if isinstance(e, Ragtune | Faiss) and points[e.name]]
    medians = alternate({e.name: lambda e=e: each(e) for e in ready}, rounds=5)
    return {name: 1e6 * seconds / len(queries) for name, seconds in medians.items()}


def by_target(engine: Ragtune, task: Task) -> dict[str, Any]:
    """What the index gives when it is asked for a recall in place of an effort."""
    result = {}
    for target in TARGETS:

        def search(target: float = target) -> Any:
            return engine.index.search(task.queries, task.k, recall=target, num_threads=1)[1]

        seconds = alternate({"ragtune": search}, rounds=3)["ragtune"]
        reached = task.recall(search())
        result[str(target)] = {"recall": reached, "qps": len(task.queries) / seconds}
    return result


def measure(task: Task, options: Any) -> dict[str, Any]:
    """Build all engines, keep them alive, and let them take turns."""
    built = engines()
    seconds = build_all(built, task.x, options.builds, options.threads)
    curves = sweep(built, task, options.rounds)
    targets = {str(target): beside(curves, target) for target in TARGETS}
    return {
        "n": task.x.shape[0],
        "d": task.x.shape[1],
        "build_seconds": seconds,
        "curves": curves,
        "at_recall": targets,
        "asked_for_recall": by_target(built[0], task),
        "one_query_us": one_by_one(built, task, targets["0.995"]),
    }


def main() -> None:
    options = arguments(
        __doc__,
        shapes=["100000x384", "100000x768", "100000x1536"],
        queries=1000,
        rounds=3,
        builds=3,
        threads=2,
        into="hnsw",
    )
    figures: dict[str, Any] = {
        "queries": options.queries,
        "rounds": options.rounds,
        "builds": options.builds,
        "build_threads": options.threads,
        "data": {},
    }
    shapes = [tuple(int(size) for size in shape.split("x")) for shape in options.shapes]
    cases = {
        f"clustered {n:,} x {d:,}": lambda n=n, d=d: clustered(n, d, 0, options.queries)
        for n, d in shapes
    }
    if options.data:
        cases["MiniLM, four sets"] = lambda: minilm(options.data, options.queries)
    for name, make in cases.items():
        note(name)
        figures["data"][name] = measure(Task.of(*make()), options)
        gc.collect()
        finish(options.into, figures, options.save)  # after each, since the whole takes an hour


if __name__ == "__main__":
    main()
