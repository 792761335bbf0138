"""From 10,000 to 1,000,000 vectors, beside faiss-cpu: build, memory, and queries a second.

Each index lives in a process of its own, one after the other, so that memory is its own.
"""

from __future__ import annotations

import ctypes
import gc
import multiprocessing
import statistics
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from common import finish, note
from peers import Engine, Faiss, Ragtune, at_recall, sweep
from vectors import Task, arguments, clustered

RECALL = 0.995
ENGINES = {
    "ragtune": Ragtune,
    "ragtune bf16": lambda: Ragtune("bf16"),
    "faiss": Faiss,
}


def status_bytes(field: str) -> int:
    """A line of /proc/self/status: RssAnon is memory without files, VmHWM the peak of all."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(field + ":"))


def settle() -> None:
    """Give freed memory back to the system, so that only what is in use is counted."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)


def measure(kind: str, n: int, d: int, nq: int, rounds: int) -> dict[str, Any]:
    """One index in this process: what it takes and gives."""
    task = Task.of(*clustered(n, d, 0, nq))
    engine: Engine = ENGINES[kind]()
    settle()
    before, begin = status_bytes("RssAnon"), time.perf_counter()
    engine.build(task.x, threads=2)
    seconds = time.perf_counter() - begin
    settle()
    grown = status_bytes("RssAnon") - before
    curve = sweep([engine], task, rounds, enough=RECALL)[engine.name]
    return {
        "engine": engine.name,
        "build_seconds": seconds,
        "bytes": grown,
        "bytes_per_vector_byte": grown / task.x.nbytes,
        "peak_gib": status_bytes("VmHWM") / 2**30,
        "at_recall": at_recall(curve, RECALL),
        "curve": curve,
    }


def alone(*case: Any) -> dict[str, Any]:
    """`measure` in a fresh process."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn) as pool:
        return pool.submit(measure, *case).result()


def over(one: dict[str, Any], other: dict[str, Any]) -> dict[str, float]:
    """Queries a second of one over the other's, at the highest recall up to RECALL of both."""
    curves = one["curve"], other["curve"]
    recall = min(RECALL, *(max(point["recall"] for point in curve) for curve in curves))
    ours, theirs = (at_recall(curve, recall)["qps"] for curve in curves)
    return {"recall": recall, "ratio": ours / theirs}


def kept(large: dict[str, Any], small: dict[str, Any]) -> dict[str, float]:
    """Queries a second of the large index over the small one's, at each effort both were asked."""
    before = {point["effort"]: point["qps"] for point in small["curve"]}
    shares = [p["qps"] / before[p["effort"]] for p in large["curve"] if p["effort"] in before]
    return {"least": min(shares), "median": statistics.median(shares), "efforts": len(shares)}


def main() -> None:
    options = arguments(__doc__, sizes=[10_000, 100_000, 1_000_000], d=384, queries=1000, rounds=3)
    figures: dict[str, Any] = {"d": options.d, "recall": RECALL, "build_threads": 2, "sizes": {}}
    sizes = figures["sizes"]
    for n in options.sizes:
        sizes[n] = {}
        for kind in ENGINES:
            if kind == "ragtune bf16" and n != max(options.sizes):
                continue
            note(f"{kind}, {n:,}")
            sizes[n][kind] = alone(kind, n, options.d, options.queries, options.rounds)
    figures["over_faiss"] = {n: over(row["ragtune"], row["faiss"]) for n, row in sizes.items()}
    if len(sizes) > 1:
        last, largest = sorted(sizes)[-2:]
        figures["kept"] = {
            kind: kept(sizes[largest][kind], sizes[last][kind]) for kind in ("ragtune", "faiss")
        }
    finish("growth", figures, options.save)


if __name__ == "__main__":
    main()
