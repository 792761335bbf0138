"""Vectors to search: a generator of clustered ones, the MiniLM sets, and what is true of them."""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass
from pathlib import Path

import faiss
import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]

ROWS_PER_CLUSTER = 100
AXES = 64  # shared by all clusters: what a real embedding model spreads its texts along
SPREAD, NOISE = 1.5, 0.5  # lengths of the two parts of the noise; a cluster's centre has length 1
CHUNK = 50_000
SETS = "scifact", "tatqa", "covidqa", "pubmedqa"
TIE = 1e-6  # float32 rounding of a unit vector's inner product


class Mixture:
    """A mixture of Gaussians with the shape that embeddings of a corpus have.

    A vector is `centre[c] + a @ axes + e`, then scaled to unit length:

    - centre[c] is a random direction of length 1, one per topic, equally likely;
    - a (AXES,) is normal along 64 random directions that all topics share, scaled by
      1/sqrt(rank), where every topic ranks the directions anew; its length is about 1.5;
    - e is isotropic in all d dimensions, of length about 0.5.

    Topics overlap, since the shared directions weigh more than the centre, and the intrinsic
    dimension does not grow with d: TwoNN finds 23 at d = 384 and n = 100,000. The same measure
    finds 7 to 18 in the MiniLM sets, whose questions are not drawn like their passages, which
    makes those the harder ones to search: faiss-cpu HNSW16 reaches recall@10 0.995 at an
    ef_search of 64 here and of about 140 there.
    """

    def __init__(self, d: int, clusters: int, seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        self._centres = unit(self._rng.standard_normal((clusters, d), dtype=np.float32))
        self._axes = unit(self._rng.standard_normal((AXES, d), dtype=np.float32))
        falling = np.arange(1, AXES + 1, dtype=np.float32) ** -0.5
        falling *= SPREAD / np.linalg.norm(falling)
        self._scales = self._rng.permuted(np.tile(falling, (clusters, 1)), axis=1)

    def draw(self, n: int) -> Vectors:
        """Unit vectors (n, d), the next ones of this mixture; no float64 copy is made."""
        rng, d = self._rng, self._centres.shape[1]
        x = np.empty((n, d), dtype=np.float32)
        for first in range(0, n, CHUNK):
            part = x[first : first + CHUNK]
            topic = rng.integers(0, len(self._centres), len(part))
            rng.standard_normal(out=part, dtype=np.float32)
            part *= NOISE / np.sqrt(np.float32(d))
            part += self._centres[topic]
            along = rng.standard_normal((len(part), AXES), dtype=np.float32)
            part += (along * self._scales[topic]) @ self._axes
            unit(part)
        return x


def unit(x: Vectors) -> Vectors:
    """Scale rows to length 1 in place."""
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    return x


def clustered(n: int, d: int, seed: int, nq: int) -> tuple[Vectors, Vectors]:
    """Corpus (n, d) and queries (nq, d) of one `Mixture` with n / 100 topics."""
    mixture = Mixture(d, max(n // ROWS_PER_CLUSTER, 1), seed)
    return mixture.draw(n), mixture.draw(nq)


def minilm(data: Path, nq: int = 1000) -> tuple[Vectors, Vectors]:
    """Documents and sentences of the four sets, pooled (96,745 x 384), and nq of their questions.

    Embeddings as a user has them: questions are not drawn like passages, and sentences repeat.
    """
    parts = [np.load(data / s / f"{p}.minilm.f16.npy") for s in SETS for p in ("corpus", "parts")]
    asked = np.concatenate([np.load(data / s / "queries.minilm.f16.npy") for s in SETS])
    asked = asked[np.random.default_rng(0).permutation(len(asked))[:nq]]
    return unit(np.concatenate(parts).astype(np.float32)), unit(asked.astype(np.float32))


@dataclass(frozen=True)
class Task:
    """A corpus, queries, and for each query the score of its k-th best."""

    x: Vectors
    queries: Vectors
    k: int
    kth: Vectors

    @classmethod
    def of(cls, x: Vectors, queries: Vectors, k: int = 10, rows: object = None) -> Task:
        """Search exactly, among `rows` if they are given: IndexFlatIP without its copy."""
        among = x if rows is None else np.ascontiguousarray(x[rows])
        k = min(k, len(among))
        scores, _ = faiss.knn(queries, among, k, metric=faiss.METRIC_INNER_PRODUCT)
        return cls(x, queries, k, scores[:, -1])

    def recall(self, ids: NDArray[np.int64]) -> float:
        """Share of the k best that were found; a tie with the k-th counts, a repeated id raises."""
        found = ids >= 0
        ordered = np.sort(ids, axis=1)
        if ((ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] >= 0)).any():
            raise ValueError("ids: expected each once per query")
        scores = np.einsum("qkd,qd->qk", self.x[np.where(found, ids, 0)], self.queries)
        hits = (scores >= self.kth[:, None] - TIE) & found
        return float(np.minimum(hits.sum(axis=1), self.k).mean() / self.k)


def arguments(description: str, **defaults: object) -> argparse.Namespace:
    """--data, --save, and one option for each of defaults."""
    data = os.environ.get("RAGTUNE_DATA")
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--data", type=Path, default=Path(data) if data else None)
    parser.add_argument("--save", action="store_true", help="keep the figures in results/")
    for name, value in defaults.items():
        many = isinstance(value, list)
        kind = type(value[0] if many else value)
        nargs = "+" if many else None
        parser.add_argument(f"--{name}", type=kind, nargs=nargs, default=value, help=f"{value}")
    return parser.parse_args()
