"""Removing, replacing and adding again: nothing comes back and the graph stays good."""

import numpy as np
import oracle
import pytest
from conftest import clustered

import ragtune
from ragtune import _core

N, NQ, K = 4000, 200, 10


def built(x, ids=None, metric="l2"):
    index = ragtune.Index(x.shape[1], metric, "hnsw")
    index.add(x, ids, num_threads=1)
    return index


def rows_held(index, path):
    index.save(path)
    return len(_core.read_artifact(str(path))["links0"])


def test_removed_ids_never_come_back():
    x, q = clustered(N, 32, NQ)
    index, gone = built(x), np.zeros(N, dtype=bool)
    for step in range(6):
        gone[np.random.default_rng(step).integers(0, N, 500)] = True
        index.remove(np.flatnonzero(gone))
        assert len(index) == N - gone.sum()
        for parameters in ({}, {"ef_search": 30}, {"recall": 1}, {"filter": np.arange(N)}):
            ids = index.search(q, 50, num_threads=1, **parameters)[1]
            assert (ids >= 0).all()
            assert not gone[ids].any()


def test_recall_holds_while_vectors_are_removed():
    x, q = clustered(N, 32, NQ)
    index = built(x)
    order = np.random.default_rng(0).permutation(N)
    for count in (500, 1000, 1900):
        index.remove(order[:count])
        kept = np.sort(order[count:])
        expected = kept[oracle.nearest(x[kept], q, K, "l2")[1]]
        assert oracle.recall(index.search(q, K)[1], expected) >= 0.95


def test_the_whole_neighbourhood_of_a_query_can_be_removed():
    x, q = clustered(N, 32, 5)
    index = built(x)
    for query in q:
        near = oracle.nearest(x, query[None], 300, "l2")[1][0]
        index.remove(near)
        kept = np.setdiff1d(np.arange(N), near)
        expected = kept[oracle.nearest(x[kept], query[None], K, "l2")[1]]
        assert oracle.recall(index.search(query, K)[1], expected) >= 0.9
        index.add(x[near], ids=near)


@pytest.mark.parametrize("n", [100, N])
def test_a_replaced_vector_is_found_where_it_is_and_not_where_it_was(n):
    x, new = clustered(N, 32, 50)
    old = x[:50].copy()
    index = built(x[:n])
    index.add(new, ids=np.arange(50))
    assert len(index) == n
    assert index.search(new, 1)[1].ravel().tolist() == list(range(50))
    scores, ids = index.search(old, 5)
    for i in range(50):
        assert scores[i, 0] < 0
        if i in ids[i]:  # near its old place by chance: then with its new vector
            score = -((old[i].astype(float) - new[i]) ** 2).sum()
            assert scores[i][ids[i] == i] == pytest.approx(score, rel=1e-5)


def test_ten_rounds_of_removing_half_and_adding_it_again_cost_no_recall():
    x, q = clustered(N, 32, 400)
    index, rng = built(x), np.random.default_rng(0)
    for _ in range(10):
        half = rng.permutation(N)[: N // 2]
        assert index.remove(half) == N // 2
        index.add(x[half], ids=half, num_threads=1)
    assert len(index) == N
    expected = oracle.nearest(x, q, K, "l2")[1]
    fresh = built(x)
    for parameters in ({}, {"ef_search": 20}, {"ef_search": 40}):
        churned = oracle.recall(index.search(q, K, **parameters)[1], expected)
        assert churned >= oracle.recall(fresh.search(q, K, **parameters)[1], expected) - 0.01


def test_compaction_gives_back_what_was_removed(tmp_path):
    x, q = clustered(N, 32, NQ)
    index = built(x)
    index.remove(np.arange(0, N, 3))
    left = len(index)
    assert rows_held(index, tmp_path / "index") == N
    before = index.search(q, K, recall=1)
    index.compact(num_threads=1)
    assert rows_held(index, tmp_path / "index") == left == len(index)
    for a, b in zip(index.search(q, K, recall=1), before, strict=True):
        np.testing.assert_array_equal(a, b)
    assert oracle.recall(index.search(q, K)[1], before[1]) >= 0.95


@pytest.mark.parametrize("by", ["remove", "add"])
def test_an_index_of_which_more_than_half_is_gone_compacts_itself(tmp_path, by):
    x, q = clustered(N, 32, NQ)
    index = built(x, ids=np.arange(N) * 3)
    if by == "remove":
        index.remove(np.arange(0, N // 2) * 3)
        assert rows_held(index, tmp_path / "index") == N
        index.remove([3 * (N // 2)])
        left = np.arange(N // 2 + 1, N)
        assert rows_held(index, tmp_path / "index") == len(left)
    else:
        index.add(x[: N // 2 + 1], ids=np.arange(0, N // 2 + 1) * 3)
        left = np.arange(N)
        assert rows_held(index, tmp_path / "index") == N
    assert len(index) == len(left)
    expected = left[oracle.nearest(x[left], q, K, "l2")[1]]
    np.testing.assert_array_equal(index.search(q, K, recall=1)[1], expected * 3)
    assert oracle.recall(index.search(q, K)[1], expected * 3) >= 0.95


def test_an_emptied_graph_is_built_anew():
    x, q = clustered(N, 32, NQ)
    index = built(x)
    index.remove(range(N))
    assert index.search(q, 3)[1].max() == -1
    index.add(x + 100, num_threads=1)
    expected = oracle.nearest(x + 100, q + 100, K, "l2")[1]
    assert oracle.recall(index.search(q + 100, K)[1] - N, expected) >= 0.95
