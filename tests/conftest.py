import hashlib
import os
import signal
import uuid
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import oracle
import pytest
import sqlalchemy as sa

# On a machine that others keep busy, threads that spin while they wait take ten times as long.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import ragtune
from ragtune import _core
from ragtune.training_data import training_data


@pytest.fixture
def interruptible():
    """Interrupts interrupt, also under what ignores them, as nohup does."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


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


@contextmanager
def postgres_schema():
    """A URL of an empty schema of the server that RAGTUNE_POSTGRES names, gone at the end."""
    server = os.environ.get("RAGTUNE_POSTGRES")
    if not server:
        pytest.skip("RAGTUNE_POSTGRES does not name a PostgreSQL server")
    pytest.importorskip("psycopg", reason='needs the extra: pip install "ragtune[postgres]"')
    engine, name = sa.create_engine(server), f"ragtune_{uuid.uuid4().hex}"
    try:
        with engine.begin() as connection:
            connection.exec_driver_sql(f"CREATE SCHEMA {name}")
    except sa.exc.OperationalError as error:
        pytest.skip(f"the server of RAGTUNE_POSTGRES cannot be reached: {error.orig}")
    url = sa.make_url(server).update_query_dict({"options": f"-csearch_path={name}"})
    try:
        yield url.render_as_string(hide_password=False)
    finally:
        with engine.begin() as connection:
            connection.exec_driver_sql(f"DROP SCHEMA {name} CASCADE")
        engine.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request):
    """What `Memory(store=)` takes: each test runs on both databases."""
    if request.param == "sqlite":
        yield None
        return
    with postgres_schema() as url:
        yield url


@pytest.fixture
def open_memory(store_url):
    """`Memory`, whose arguments a test may choose, in each of both databases."""
    return partial(ragtune.Memory, store=store_url)


@pytest.fixture
def memory(tmp_path, embedder, open_memory):
    with open_memory(tmp_path / "memory", embedder=embedder) as opened:
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


def turned(n=400, nq=400, d=16, seed=0, noise=0.5, covered=None):
    """Questions near their chunks but turned a little: an adapter must turn them back.

    Unlike `planted`, whose rotation leaves the frozen order worse than chance. `covered` is how
    many chunks have questions at all.
    """
    rng = np.random.default_rng(seed)
    corpus = rng.normal(size=(n, d)).astype(np.float32)
    skew = 0.15 * rng.normal(size=(d, d))
    skew -= skew.T
    turn = np.linalg.solve(np.eye(d) - skew, np.eye(d) + skew)
    rows = rng.integers(0, covered or n, size=nq)
    queries = (corpus[rows] @ turn + noise * rng.normal(size=(nq, d))).astype(np.float32)
    return corpus, queries, [{int(row): 1.0} for row in rows]


def worded(n=300, nq=200, d=16, seed=0):
    """Words decide and vectors are noise: three of the eight words of a chunk ask for it.

    Returns the positional arguments of `fit`, and its texts by name.
    """
    rng = np.random.default_rng(seed)
    words = [[f"word{w}" for w in rng.choice(900, size=8, replace=False)] for _ in range(n)]
    rows = rng.integers(0, n, size=nq)
    asked = [" ".join(rng.choice(words[row], size=3, replace=False)) for row in rows]
    vectors = (rng.normal(size=(m, d)).astype(np.float32) for m in (n, nq))
    texts = {"texts": [" ".join(own) for own in words], "queries": asked}
    return (*vectors, [{int(row): 1.0} for row in rows]), texts


def remembered(n=300, nq=400, d=32, seed=0, near=0.6, noise=0.15):
    """Questions about a chunk are like each other, and only somewhat like the chunk.

    Half of the chunks have questions: what was stored finds the chunk of a new one.
    """
    rng = np.random.default_rng(seed)
    corpus, private = rng.normal(size=(2, n, d))
    rows = rng.integers(0, n // 2, size=nq)
    queries = near * corpus[rows] + private[rows] + noise * rng.normal(size=(nq, d))
    vectors = (x.astype(np.float32) for x in (corpus, queries))
    return (*vectors, [{int(row): 1.0} for row in rows])


def data(groups=None, **kwargs):
    corpus, queries, qrels = planted(**kwargs)
    return training_data(corpus, queries, qrels, groups)


def ndcg(rows, qrels):
    return ragtune.evaluate(ragtune.Run(rows), ragtune.Qrels(qrels))["ndcg@10"].mean()


def frozen_rows(corpus, queries, k=10):
    unit = [oracle.unit(x).astype(np.float32) for x in (corpus, queries)]
    return _core.exact_search(*unit, k=k)[1]


TOPICS = ("billing", "login", "export", "invoice", "password", "backup", "network")


def fill(memory, count=60, run=True):
    """Chunks of `count` documents with a question each; returns the id of a generated run."""
    topics = [TOPICS[i % len(TOPICS)] for i in range(count)]
    texts = [f"{t} guide number{i} explains item{i} and part{i % 7}" for i, t in enumerate(topics)]
    memory.add(texts, ids=[f"c{i}" for i in range(count)])
    pairs = [ragtune.Pair(f"where is item{i} of {t}", f"c{i}") for i, t in enumerate(topics)]
    if not run:
        memory.add_pairs(pairs)
        return None
    run_id = memory.store.runs.add(status="generated", pair_count=count)
    memory.store.pairs.add(pairs, run_id)
    return run_id
