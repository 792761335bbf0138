import hashlib
import os
from pathlib import Path

import numpy as np
import pytest

# On a machine that others keep busy, threads that spin while they wait take ten times as long.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import ragtune


class HashEmbedder:
    """Words are random directions: texts that share words are near. No model, no download."""

    name = "hash"

    def __init__(self, dimension=32):
        self.dimension = dimension
        self.calls = 0

    def _word(self, word):
        seed = int.from_bytes(hashlib.sha256(word.encode()).digest()[:8], "little")
        return np.random.default_rng(seed).normal(size=self.dimension)

    def embed_documents(self, texts):
        self.calls += len(texts)
        rows = [
            sum(map(self._word, text.lower().split()), np.zeros(self.dimension)) for text in texts
        ]
        rows = np.array(rows, dtype=np.float32).reshape(len(texts), self.dimension)
        return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)

    embed_queries = embed_documents


@pytest.fixture
def embedder():
    return HashEmbedder()


@pytest.fixture
def memory(tmp_path, embedder):
    with ragtune.Memory(tmp_path / "memory", embedder=embedder) as opened:
        yield opened


@pytest.fixture(scope="session")
def data_dir():
    folder = os.environ.get("RAGTUNE_DATA")
    if not folder:
        pytest.skip("RAGTUNE_DATA does not name the folder of the data sets")
    return Path(folder)


def planted(n=400, nq=300, d=16, seed=0, noise=0.6):
    """Chunks, questions and judgments that a linear adapter can learn.

    A question is its chunk turned by one fixed rotation, so W = the inverse rotation.
    """
    rng = np.random.default_rng(seed)
    corpus = rng.normal(size=(n, d)).astype(np.float32)
    turn = np.linalg.qr(np.eye(d) + 0.35 * rng.normal(size=(d, d)))[0]
    rows = rng.integers(0, n, size=nq)
    queries = (corpus[rows] @ turn + noise * rng.normal(size=(nq, d))).astype(np.float32)
    return corpus, queries, [{int(row): 1.0} for row in rows]


def clustered(n, d, nq, seed=0, sort=False):
    """Vectors in n / 100 clusters that overlap, and queries of the same distribution."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(n // 100, d))
    topic = rng.integers(0, len(centres), size=n + nq)
    if sort:
        topic[:n].sort()
    x = (centres[topic] + 0.6 * rng.normal(size=(n + nq, d))).astype(np.float32)
    return x[:n], x[n:]
