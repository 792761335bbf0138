"""Training beside its peers: adapters beside PyTorch, document overlays beside nudge-ft.

Each training runs in a process of its own, the engines in turn. Peak memory is what a process
grows by beyond its inputs, with and without what importing the engine takes. Losses are exact
and measured afterwards by one function for both. Threads wait passively in both, since another
process that takes one of two cores would otherwise decide the figures.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from common import finish
from numpy.typing import NDArray
from trainers import CONTRASTIVE, NUDGE, Split, Task, few, moved

D = 384
KINDS = "linear", "low_rank", "mlp"
IMPORTS = {"ragtune": "ragtune", "torch": "torch", "nudge_ft": "nudge"}


def unit(x: NDArray[Any]) -> NDArray[np.float32]:
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


def status_bytes(field: str) -> int:
    """A line of /proc/self/status: VmRSS is memory in use, VmHWM its peak."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(field + ":"))


def scifact(data: Path) -> dict[str, NDArray[Any]]:
    """The training questions of scifact and their judgments."""
    from ragtune.evaluation import read_beir

    folder = data / "scifact"
    corpus, queries = (
        unit(np.load(folder / f"{part}.minilm.f16.npy").astype(np.float32))
        for part in ("corpus", "queries")
    )
    grades = read_beir(folder).train.grades
    asked = [q for q, own in enumerate(grades) if own]
    return {
        "corpus": corpus,
        "queries": queries[asked],
        "offsets": np.cumsum([0, *(len(grades[q]) for q in asked)]).astype(np.int64),
        "rows": np.array([row for q in asked for row in grades[q]], dtype=np.int64),
    }


def synthetic(n: int, nq: int) -> dict[str, NDArray[Any]]:
    """Overlapping topics; a question is its document, turned by one rotation, and noise."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(n // 100, D)).astype(np.float32)
    topics = rng.integers(0, len(centres), n)
    corpus = unit(centres[topics] + rng.normal(size=(n, D)).astype(np.float32))
    turn, triangle = np.linalg.qr(np.eye(D) + 0.02 * rng.normal(size=(D, D)))
    turn *= np.sign(np.diag(triangle))  # near the identity, not its opposite
    rows = rng.integers(0, n // 50, nq)  # two questions a document, for those that have any
    noise = 3 * rng.normal(size=(nq, D)) / np.sqrt(D)
    return {
        "corpus": corpus,
        "queries": unit(corpus[rows] @ turn + noise),
        "offsets": np.arange(nq + 1),
        "rows": rows,
    }


def parts(data: dict[str, NDArray[Any]], seed: int = 0) -> dict[str, tuple[NDArray[Any], ...]]:
    """Nine tenths of the questions to learn from, one tenth to choose by."""
    order = np.random.default_rng(seed).permutation(len(data["queries"]))
    cut = len(order) // 10
    out = {}
    for name, chosen in (("training", order[cut:]), ("validation", order[:cut])):
        sizes = np.diff(data["offsets"])[chosen]
        starts = data["offsets"][chosen]
        rows = [data["rows"][a : a + size] for a, size in zip(starts, sizes, strict=True)]
        offsets = np.concatenate([[0], np.cumsum(sizes)])
        out[name] = (data["queries"][chosen], offsets, np.concatenate(rows))
    return out


def tiny() -> tuple[NDArray[Any], ...]:
    """Ten questions about the first ten documents."""
    rng = np.random.default_rng(0)
    return unit(rng.normal(size=(10, D))), np.arange(11), np.arange(10)


def measured(
    engine: str, warm_up: Callable[[], Any], run: Callable[[], Any]
) -> tuple[Any, dict[str, float]]:
    """Seconds and memory of one training in this process; a warm-up counts as importing."""
    before = status_bytes("VmRSS")
    __import__(IMPORTS[engine])
    warm_up()
    imported = status_bytes("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # VmHWM starts anew
    begin = time.perf_counter()
    result = run()
    seconds = time.perf_counter() - begin
    peak = status_bytes("VmHWM")
    return result, {
        "seconds": seconds,
        "peak_mib": (peak - imported) / 2**20,
        "peak_mib_with_import": (peak - before) / 2**20,
    }


def contrastive(engine: str, path: str, kind: str, epochs: int) -> dict[str, Any]:
    task = Task(**dict(np.load(path)), kind=kind, epochs=epochs)
    matrices, figures = measured(
        engine, lambda: CONTRASTIVE[engine](few(task)), lambda: CONTRASTIVE[engine](task)
    )
    from ragtune import _core

    data = task.corpus, task.queries, task.offsets, task.rows, task.grades
    own = {name: np.ascontiguousarray(matrix) for name, matrix in matrices.items()}
    loss = _core.contrastive_loss(*data, own, kind=kind, penalty=task.penalty)[0]
    return figures | {"loss": loss}


def nudge(engine: str, path: str, kind: str, out: str) -> dict[str, Any]:
    data = dict(np.load(path))
    split = Split(data["corpus"], **parts(data), kind=kind)
    small = Split(data["corpus"][:300], tiny(), tiny(), kind=kind)
    overlay, figures = measured(engine, lambda: NUDGE[engine](small), lambda: NUDGE[engine](split))
    documents = moved(split, overlay)
    np.save(out, documents)
    return figures | {"moved": int((np.abs(documents - split.corpus) > 1e-4).any(axis=1).sum())}


def alone(function: Callable[..., dict[str, Any]], *case: Any) -> dict[str, Any]:
    """A training in a fresh process."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn) as pool:
        return pool.submit(function, *case).result()


def compared(runs: dict[str, list[dict[str, float]]]) -> dict[str, Any]:
    """Medians of each engine, and the peer's over ours."""
    out: dict[str, Any] = {
        engine: {key: statistics.median(run[key] for run in own) for key in own[0]}
        for engine, own in runs.items()
    }
    ours, peer = out.values()
    for key in ("seconds", "peak_mib", "peak_mib_with_import"):
        out[f"{key}_ratio"] = peer[key] / max(ours[key], 1e-9)
    return out


def compare_contrastive(path: str, kind: str, epochs: int, rounds: int) -> dict[str, Any]:
    runs: dict[str, list[dict[str, float]]] = {"ragtune": [], "torch": []}
    for _ in range(rounds):
        for engine, own in runs.items():
            own.append(alone(contrastive, engine, path, kind, epochs))
    return {"epochs": epochs} | compared(runs)


def compare_nudge(folder: Path, path: str, kind: str, rounds: int) -> dict[str, Any]:
    runs: dict[str, list[dict[str, float]]] = {"ragtune": [], "nudge_ft": []}
    for _ in range(rounds):
        for engine, own in runs.items():
            own.append(alone(nudge, engine, path, kind, str(folder / f"{engine}.npy")))
    ours, theirs = (unit(np.load(folder / f"{engine}.npy")) for engine in runs)
    lowest = min(float(a @ b) for a, b in zip(ours, theirs, strict=True))
    return compared(runs) | {"lowest_cosine": lowest}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    folder = os.environ.get("RAGTUNE_DATA")
    parser.add_argument("--data", type=Path, default=Path(folder) if folder else None)
    parser.add_argument("--save", action="store_true", help="keep the figures in results/")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--large", type=int, default=50_000, help="rows of the synthetic set")
    options = parser.parse_args()
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # read by the processes started here
    figures: dict[str, Any] = {"d": D, "threads": 2, "contrastive": {}, "nudge": {}}
    with tempfile.TemporaryDirectory() as name:
        temporary = Path(name)
        sets = {f"synthetic {options.large}": synthetic(options.large, options.large // 25)}
        if options.data:
            sets = {"scifact": scifact(options.data)} | sets
        for label, data in sets.items():
            path = str(temporary / "set.npz")
            np.savez(path, **data)
            small = label == "scifact"
            rounds = options.rounds if small else max(options.rounds // 2, 1)
            for kind in KINDS if small else KINDS[:1]:
                figures["contrastive"][f"{label} {kind}"] = compare_contrastive(
                    path, kind, 20 if small else 10, rounds
                )
            for kind in "nm" if small else "n":
                figures["nudge"][f"{label} {kind}"] = compare_nudge(temporary, path, kind, rounds)
    finish("training_speed", figures, options.save)


if __name__ == "__main__":
    main()
