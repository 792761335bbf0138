import threading

import numpy as np
import oracle
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

import ragtune

D = 6


def normal(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("metric", ["cosine", "ip", "l2"])
def test_finds_the_nearest(metric):
    x, q = normal(0, 200, 9), normal(1, 7, 9)
    index = ragtune.Index(9, metric=metric)
    index.add(x, ids=np.arange(200) * 10)
    scores, ids = index.search(q, 5)
    expected, rows = oracle.nearest(x, q, 5, metric)
    np.testing.assert_array_equal(ids, rows * 10)
    np.testing.assert_allclose(scores, expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("metric", "store"), [("cosine", "f32"), ("ip", "f32"), ("ip", "bf16"), ("l2", "bf16")]
)
@pytest.mark.parametrize("n", [1023, 1024, 2048, 3001])
@pytest.mark.parametrize("nq", [1, 3, 4])  # row by row below 4, by tiles from there
def test_finds_the_same_as_an_exact_search_in_chunks_of_any_number(nq, n, metric, store):
    x, q = normal(0, n, 40), normal(1, nq, 40)
    x[n // 2 :][:300] = x[:300]  # ties, far apart
    x[5], x[-3] = q[0], q[0]
    index = ragtune.Index(40, metric=metric, store=store)
    index.add(x)
    expected, rows = oracle.nearest(oracle.bf16(x) if store == "bf16" else x, q, 50, metric)
    scores, ids = index.search(q, 50)
    np.testing.assert_array_equal(ids, rows)
    np.testing.assert_allclose(scores, expected, rtol=1e-5)


class AgainstDict(RuleBasedStateMachine):
    """add, replace, remove and compact in any order, against a dict and numpy."""

    kind, store, search_with = "flat", "f32", {}

    def __init__(self):
        super().__init__()
        self.index = ragtune.Index(D, metric="ip", kind=self.kind, store=self.store)
        self.model = {}

    def put(self, ids, seed):
        x = normal(seed, len(ids), D)
        self.index.add(x, np.array(ids, dtype=np.int64))
        kept = oracle.bf16(x) if self.store == "bf16" else x
        self.model |= dict(zip(ids, kept, strict=True))

    @rule(ids=st.lists(st.integers(0, 30), unique=True, max_size=8), seed=st.integers(0, 10**6))
    def add(self, ids, seed):
        self.put(ids, seed)

    @rule(ids=st.lists(st.integers(0, 40), max_size=10))
    def remove(self, ids):
        there = len(set(ids) & self.model.keys())
        assert self.index.remove(np.array(ids, dtype=np.int64)) == there
        self.model = {i: v for i, v in self.model.items() if i not in ids}

    @rule()
    def compact(self):
        self.index.compact()

    @rule(
        seed=st.integers(0, 10**6),
        k=st.integers(1, 12),
        nq=st.integers(1, 6),
        allowed=st.none() | st.sets(st.integers(0, 40), max_size=20),
    )
    def search(self, seed, k, nq, allowed):
        q = normal(seed, nq, D)
        _, ids = self.index.search(q, k, filter=allowed, **self.search_with)
        known = [i for i in self.model if allowed is None or i in allowed]
        vectors = np.array([self.model[i] for i in known], dtype=float).reshape(-1, D)
        for query, found in zip(q.astype(float), ids, strict=True):
            scores = dict(zip(known, vectors @ query, strict=True))
            best = sorted(scores.values(), reverse=True)[:k]
            assert [scores[i] for i in found if i >= 0] == pytest.approx(best)

    @invariant()
    def counts(self):
        assert len(self.index) == len(self.model)


class Bf16AgainstDict(AgainstDict):
    store = "bf16"


class GraphAgainstDict(AgainstDict):
    kind = "hnsw"


class WalkAgainstDict(AgainstDict):
    """Two thousand vectors, so that the graph is walked, and broad enough to miss none."""

    kind, search_with = "hnsw", {"ef_search": 80}

    def __init__(self):
        super().__init__()
        self.put(list(range(2000)), seed=7)

    @rule(first=st.integers(0, 1999), seed=st.integers(0, 10**6))
    def replace_many(self, first, seed):
        self.put([(first + i) % 2000 for i in range(300)], seed)

    @rule(first=st.integers(0, 1999))
    def remove_many(self, first):
        self.remove([(first + i) % 2000 for i in range(400)])


for machine, examples, steps in [
    (AgainstDict, 40, 30),
    (Bf16AgainstDict, 20, 30),
    (GraphAgainstDict, 40, 30),
    (WalkAgainstDict, 10, 15),
]:
    machine.TestCase.settings = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        derandomize=machine is WalkAgainstDict,  # a walk may miss: not today here, tomorrow there
    )
TestFlatAgainstDict = AgainstDict.TestCase
TestBf16AgainstDict = Bf16AgainstDict.TestCase
TestGraphAgainstDict = GraphAgainstDict.TestCase
TestWalkAgainstDict = WalkAgainstDict.TestCase


def test_numbers_on_without_ids():
    index = ragtune.Index(D)
    assert index.add(normal(0, 3, D)).tolist() == [0, 1, 2]
    assert index.add(normal(1, 2, D)).tolist() == [3, 4]
    index.add(normal(2, 1, D), ids=[9])
    assert index.add(normal(3, 1, D)).tolist() == [10]


def test_two_threads_that_number_on_never_share_an_id():
    index, x = ragtune.Index(D), normal(0, 50, D)
    threads = [
        threading.Thread(target=lambda: [index.add(x, num_threads=1) for _ in range(50)])
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(index) == 4 * 50 * 50


def test_the_largest_id_can_be_kept_and_saved(tmp_path):
    index = ragtune.Index(D)
    index.add(normal(0, 1, D), ids=[2**63 - 1])
    index.save(tmp_path / "index")
    loaded = ragtune.Index.load(tmp_path / "index")
    assert loaded.search(normal(0, 1, D), 1)[1].tolist() == [[2**63 - 1]]
    with pytest.raises(ValueError, match="ids: expected"):
        loaded.add(normal(1, 1, D))


def test_refused_add_changes_nothing():
    index = ragtune.Index(D)
    index.add(normal(0, 3, D))
    for ids in ([0, 0], [0, -1]):
        with pytest.raises(ValueError, match="ids: expected"):
            index.add(normal(1, 2, D), ids=ids)
    assert len(index) == 3


@pytest.mark.parametrize("kind", ["flat", "hnsw"])
@pytest.mark.parametrize("store", ["f32", "bf16"])
@pytest.mark.parametrize("metric", ["ip", "l2"])
def test_vectors_too_long_for_float32_are_refused_when_added(kind, store, metric):
    """Once in, such a vector made every later search fail."""
    index = ragtune.Index(D, metric, kind, store=store)
    index.add(normal(0, 3, D))
    with pytest.raises(ValueError, match="expected lengths below 1e18"):
        index.add(np.full((1, D), 3e38))
    assert index.search(normal(0, 3, D)[1], 1)[1].shape == (1, 1)
    assert len(index) == 3


def test_results_are_as_wide_as_asked_for_up_to_ten_thousand():
    index = ragtune.Index(D)
    index.add(normal(0, 2, D))
    scores, ids = index.search(normal(1, D), 5)
    assert set(ids[0, :2]) == {0, 1}
    assert ids[0, 2:].tolist() == [-1] * 3
    assert scores[0, 2:].tolist() == [-np.inf] * 3
    assert index.search(normal(1, D), 2**31 - 1)[1].shape == (1, 10_000)


@pytest.mark.parametrize("kind", ["flat", "hnsw"])
@pytest.mark.parametrize("parameters", [{}, {"ef_search": 50}, {"recall": 0.9}, {"recall": 1}])
def test_an_empty_index_finds_nothing(kind, parameters):
    index = ragtune.Index(D, kind=kind)
    assert index.search(normal(1, 2, D), 3, **parameters)[1].tolist() == [[-1] * 3] * 2
    index.add(normal(0, 1500, D))
    index.remove(range(1500))
    assert len(index) == 0
    assert index.search(normal(1, 2, D), 3, **parameters)[1].tolist() == [[-1] * 3] * 2


def test_no_query_finds_nothing():
    index = ragtune.Index(D)
    index.add(normal(0, 3, D))
    assert index.search(np.zeros((0, D)), 3)[1].shape == (0, 3)


def test_searches_run_beside_an_add():
    index, stop, errors = ragtune.Index(32, metric="ip"), threading.Event(), []
    index.add(normal(0, 500, 32))

    def search():
        while not stop.is_set():
            _, ids = index.search(normal(1, 3, 32), 10)
            if (ids < 0).any():
                errors.append(ids)

    threads = [threading.Thread(target=search) for _ in range(4)]
    for thread in threads:
        thread.start()
    for i in range(40):
        index.add(normal(i, 50, 32))
        index.remove(np.arange(500 + 50 * i, 510 + 50 * i))
    stop.set()
    for thread in threads:
        thread.join()
    assert not errors
    assert len(index) == 500 + 40 * 40


def test_repr_names_size_kind_metric_and_store():
    expected = "<ragtune.Index: 0 vectors of 6 dimensions, hnsw, l2, bf16>"
    assert repr(ragtune.Index(D, "l2", "hnsw", store="bf16")) == expected


@pytest.mark.parametrize("metric", ["cosine", "ip", "l2"])
@pytest.mark.parametrize("store", ["f32", "bf16"])
def test_scores_of_chosen_ids_are_those_of_a_search(metric, store):
    rng = np.random.default_rng(0)
    x, queries = (rng.normal(size=(m, 20)).astype(np.float32) for m in (60, 5))
    index = ragtune._core.Index(20, metric=metric, store=store)
    ids = np.arange(100, 160)
    index.update(x, ids, removed=np.array([], dtype=np.int64))
    index.remove(np.array([103]))
    found, which = index.search(queries, k=59)
    np.testing.assert_allclose(index.scores(queries, which), found, rtol=1e-5, atol=1e-5)
    absent = np.tile(np.array([103, -1, 7]), (5, 1))
    np.testing.assert_array_equal(index.scores(queries, absent), 0)


def test_scores_of_chosen_ids_need_a_row_of_ids_per_query():
    index = ragtune._core.Index(4)
    with pytest.raises(ValueError, match="ids: expected 2 rows, got 1"):
        index.scores(np.ones((2, 4), np.float32), np.zeros((1, 3), np.int64))
