"""Engines behind one face, each as its maker means it to be used, and how they are timed.

All take unit vectors and search by inner product on one thread, all queries in one call. The
graphs are of like size: M = 16 means 32 neighbours on the lowest level, where the search
happens, and Vamana gets a degree of 32 (and 64, which its authors like better).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any, Protocol

import faiss
import hnswlib
import numpy as np
import svs
from common import alternate, note
from numpy.typing import NDArray
from usearch.index import Index as UsearchIndex
from vectors import Task, Vectors

import ragtune

M, EF_CONSTRUCTION = 16, 100
LADDER = [10, 12, 16, 20, 24, 32, 40, 48, 64, 80, 96, 128, 160, 200, 256, 384, 512]
ENOUGH = 0.999  # an engine that is here climbs no further
Ids = NDArray[np.int64]


class Engine(Protocol):
    """Build once, then search with more or less effort."""

    name: str

    def build(self, x: Vectors, threads: int) -> None:
        """Index the rows of x (n, d)."""

    def search(self, q: Vectors, k: int, effort: int) -> Ids:
        """Rows (nq, k) on one thread, best first."""


class Ragtune:
    def __init__(self, store: str = "f32") -> None:
        self.name, self._store = f"ragtune {version('ragtune')} {store}", store

    def build(self, x: Vectors, threads: int) -> None:
        self.index = ragtune.Index(
            x.shape[1],
            metric="ip",
            kind="hnsw",
            M=M,
            ef_construction=EF_CONSTRUCTION,
            store=self._store,
        )
        self.index.add(x, num_threads=threads)

    def search(self, q: Vectors, k: int, effort: int) -> Ids:
        return self.index.search(q, k, ef_search=effort, num_threads=1)[1]


class Faiss:
    name = f"faiss-cpu {version('faiss-cpu')}"

    def build(self, x: Vectors, threads: int) -> None:
        faiss.omp_set_num_threads(threads)
        self.index = faiss.IndexHNSWFlat(x.shape[1], M, faiss.METRIC_INNER_PRODUCT)
        self.index.hnsw.efConstruction = EF_CONSTRUCTION
        self.index.add(x)

    def search(self, q: Vectors, k: int, effort: int) -> Ids:
        faiss.omp_set_num_threads(1)
        self.index.hnsw.efSearch = effort
        return self.index.search(q, k)[1]


class Hnswlib:
    name = f"hnswlib {version('hnswlib')}"

    def build(self, x: Vectors, threads: int) -> None:
        self.index = hnswlib.Index("ip", x.shape[1])
        self.index.init_index(len(x), M=M, ef_construction=EF_CONSTRUCTION, random_seed=0)
        self.index.add_items(x, num_threads=threads)
        self.index.set_num_threads(1)

    def search(self, q: Vectors, k: int, effort: int) -> Ids:
        self.index.set_ef(effort)
        return self.index.knn_query(q, k, num_threads=1)[0].astype(np.int64)


class Usearch:
    def __init__(self, dtype: str) -> None:
        self.name, self._dtype = f"usearch {version('usearch')} {dtype}", dtype

    def build(self, x: Vectors, threads: int) -> None:
        self.index = UsearchIndex(
            ndim=x.shape[1],
            metric="ip",
            dtype=self._dtype,
            connectivity=M,
            expansion_add=EF_CONSTRUCTION,
        )
        self.index.add(np.arange(len(x)), x, threads=threads)

    def search(self, q: Vectors, k: int, effort: int) -> Ids:
        self.index.expansion_search = effort
        return self.index.search(q, k, threads=1).keys.astype(np.int64)


class Svs:
    """Vamana under L2, which orders unit vectors alike: alpha 1.2 has no meaning under MIP."""

    def __init__(self, degree: int) -> None:
        self.name, self._degree = f"svs {version('scalable-vs')} degree {degree}", degree

    def build(self, x: Vectors, threads: int) -> None:
        parameters = svs.VamanaBuildParameters(
            alpha=1.2,
            graph_max_degree=self._degree,
            window_size=max(EF_CONSTRUCTION, 2 * self._degree),
        )
        self.index = svs.Vamana.build(parameters, x, svs.DistanceType.L2, num_threads=threads)
        self.index.num_threads = 1

    def search(self, q: Vectors, k: int, effort: int) -> Ids:
        self.index.search_window_size = effort
        return self.index.search(q, k)[0].astype(np.int64)


def engines() -> list[Engine]:
    """All of them; ragtune first."""
    peers = [Faiss(), Hnswlib(), *map(Usearch, ("f32", "bf16", "i8")), Svs(32), Svs(64)]
    return [Ragtune(), *peers]


def sweep(
    built: Sequence[Engine], task: Task, rounds: int, enough: float = ENOUGH
) -> dict[str, list[dict[str, Any]]]:
    """Points of effort, recall and queries a second; the engines take turns at every effort."""
    curves: dict[str, list[dict[str, Any]]] = {engine.name: [] for engine in built}
    climbing = list(built)
    for effort in LADDER:
        found: dict[str, Ids] = {}

        def search(engine: Engine, effort: int = effort, found: dict[str, Ids] = found) -> None:
            found[engine.name] = engine.search(task.queries, task.k, effort)

        turns = {engine.name: lambda e=engine: search(e) for engine in climbing}
        for name, seconds in alternate(turns, rounds).items():
            recall = round(task.recall(found[name]), 5)
            qps = round(len(task.queries) / seconds, 1)
            curves[name].append({"effort": effort, "recall": recall, "qps": qps})
        climbing = [e for e in climbing if curves[e.name][-1]["recall"] < enough]
        note(f"  effort {effort}: {len(climbing)} engines below recall {enough}")
        if not climbing:
            break
    return curves


def at_recall(curve: list[dict[str, Any]], target: float) -> dict[str, Any] | None:
    """Queries a second at a recall: log-linear between the first effort there and the one before.

    None if no effort gets there; the first point itself if the lowest effort does.
    """
    for before, point in zip([None, *curve], curve, strict=False):
        if point["recall"] >= target:
            if before is None:
                return {"effort": point["effort"], "qps": point["qps"]}
            share = (target - before["recall"]) / (point["recall"] - before["recall"])
            slow, fast = math.log(point["qps"]), math.log(before["qps"])
            return {"effort": point["effort"], "qps": math.exp(fast + share * (slow - fast))}
    return None
