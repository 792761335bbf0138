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
    if metric == "cosine":
        x, q = oracle.unit(x), oracle.unit(q)
    expected, rows = oracle.exact_search(x, q, 5, l2=metric == "l2")
    np.testing.assert_array_equal(ids, rows * 10)
    np.testing.assert_allclose(scores, expected, atol=1e-6)


class IndexAgainstDict(RuleBasedStateMachine):
    """add, replace, remove and compact in any order, against a dict and numpy."""

    def __init__(self):
        super().__init__()
        self.index = ragtune.Index(D, metric="ip")
        self.model = {}

    @rule(ids=st.lists(st.integers(0, 30), unique=True, max_size=8), seed=st.integers(0, 10**6))
    def add(self, ids, seed):
        x = normal(seed, len(ids), D)
        self.index.add(x, np.array(ids, dtype=np.int64))
        self.model |= dict(zip(ids, x, strict=True))

    @rule(ids=st.lists(st.integers(0, 40), max_size=10))
    def remove(self, ids):
        there = len(set(ids) & self.model.keys())
        assert self.index.remove(np.array(ids, dtype=np.int64)) == there
        self.model = {i: v for i, v in self.model.items() if i not in ids}

    @rule()
    def compact(self):
        self.index.compact()

    @rule(seed=st.integers(0, 10**6), k=st.integers(1, 12), nq=st.integers(1, 6))
    def search(self, seed, k, nq):
        q = normal(seed, nq, D)
        _, ids = self.index.search(q, k)
        for query, found in zip(q, ids, strict=True):
            scores = {
                i: float(query.astype(float) @ v.astype(float)) for i, v in self.model.items()
            }
            best = sorted(scores.values(), reverse=True)[:k]
            assert [scores[i] for i in found if i >= 0] == pytest.approx(best)

    @invariant()
    def counts(self):
        assert len(self.index) == len(self.model)


IndexAgainstDict.TestCase.settings = settings(
    max_examples=60, stateful_step_count=30, deadline=None
)
TestIndexAgainstDict = IndexAgainstDict.TestCase


def test_numbers_on_without_ids():
    index = ragtune.Index(D)
    assert index.add(normal(0, 3, D)).tolist() == [0, 1, 2]
    assert index.add(normal(1, 2, D)).tolist() == [3, 4]
    index.add(normal(2, 1, D), ids=[9])
    assert index.add(normal(3, 1, D)).tolist() == [10]


def test_refused_add_changes_nothing():
    index = ragtune.Index(D)
    index.add(normal(0, 3, D))
    for ids in ([0, 0], [0, -1]):
        with pytest.raises(ValueError, match="ids: expected"):
            index.add(normal(1, 2, D), ids=ids)
    assert len(index) == 3


def test_fewer_vectors_than_asked_for():
    index = ragtune.Index(D)
    index.add(normal(0, 2, D))
    scores, ids = index.search(normal(1, D), 2**31 - 1)
    assert ids.shape == scores.shape == (1, 2)
    assert len(ragtune.Index(D).search(normal(1, D), 3)[1]) == 1


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


def test_repr_says_how_many():
    assert repr(ragtune.Index(D)) == "<ragtune.Index: 0 vectors of 6 dimensions>"
