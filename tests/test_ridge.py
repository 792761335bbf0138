import numpy as np
import oracle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragtune import _core


def pairs(m, d, seed=0):
    rng = np.random.default_rng(seed)
    queries, documents = rng.normal(size=(2, m, d)).astype(np.float32)
    return queries, documents, rng.uniform(0.1, 2, size=m).astype(np.float32)


def fitted(*parts):
    stats = _core.RidgeStatistics(parts[0][0].shape[1])
    for part in parts:
        stats.add(*part)
    return stats


@given(m=st.integers(0, 40), d=st.integers(1, 24), penalty=st.sampled_from([0.1, 3.0, 300.0]))
@settings(max_examples=50, deadline=None)
def test_agrees_with_numpy(m, d, penalty):
    data = pairs(m, d)
    w = fitted(data).solve(penalty)
    np.testing.assert_allclose(w, oracle.ridge(*data, penalty), atol=2e-5)


def test_is_a_minimum_of_the_penalised_loss():
    """The gradient of the loss vanishes: finite differences in every direction."""
    q, d, v = (a.astype(np.float64) for a in pairs(30, 5))
    w = oracle.ridge(q, d, v, 2.0)
    np.testing.assert_allclose(fitted(pairs(30, 5)).solve(2.0), w, atol=1e-5)

    def loss(w):
        return (v * ((q @ w - d) ** 2).sum(axis=1)).sum() + 2.0 * ((w - np.eye(5)) ** 2).sum()

    for i, j in np.ndindex(5, 5):
        step = np.zeros((5, 5))
        step[i, j] = 1e-5
        assert abs(loss(w + step) - loss(w - step)) / 2e-5 < 1e-4


def test_no_pairs_give_the_identity():
    np.testing.assert_array_equal(_core.RidgeStatistics(4).solve(1.0), np.eye(4))


def test_large_penalty_gives_the_identity():
    np.testing.assert_allclose(fitted(pairs(50, 8)).solve(1e9), np.eye(8), atol=1e-6)


@pytest.mark.parametrize("count", [1, 7, 99])
def test_unlearned_pairs_leave_no_trace(count):
    """Bar: a refit without them differs by at most 1e-5."""
    q, d, v = pairs(100, 64)
    stats = fitted((q, d, v))
    stats.remove(q[:count], d[:count], v[:count])
    refit = fitted((q[count:], d[count:], v[count:]))
    assert stats.pairs == refit.pairs == 100 - count
    assert np.abs(stats.solve(3.0) - refit.solve(3.0)).max() <= 1e-5


def test_statistics_of_two_sets_add_up_and_come_apart():
    a, b = pairs(20, 6, seed=1), pairs(30, 6, seed=2)
    both = fitted(a)
    both.merge(fitted(b))
    np.testing.assert_allclose(both.solve(1.0), fitted(a, b).solve(1.0), atol=1e-6)
    both.unmerge(fitted(b))
    np.testing.assert_allclose(both.solve(1.0), fitted(a).solve(1.0), atol=1e-6)


def test_removing_what_was_never_added_is_an_error():
    stats = _core.RidgeStatistics(4)
    stats.remove(*pairs(50, 4))
    with pytest.raises(RuntimeError, match="removed that was never added"):
        stats.solve(1e-3)


@pytest.mark.parametrize("penalty", [0.0, -1.0, float("nan"), float("inf")])
def test_rejects_penalty(penalty):
    with pytest.raises(ValueError, match="lambda: expected > 0"):
        _core.RidgeStatistics(2).solve(penalty)


def test_rejects_shapes():
    q, d, v = pairs(5, 3)
    with pytest.raises(ValueError, match=r"expected queries \(m, 3\)"):
        _core.RidgeStatistics(3).add(q, d[:4], v)
    with pytest.raises(ValueError, match="other: expected 3 dimensions, got 2"):
        _core.RidgeStatistics(3).merge(_core.RidgeStatistics(2))


@given(m=st.integers(0, 40), d=st.integers(1, 24), nq=st.integers(0, 5), sets=st.integers(1, 3))
@settings(max_examples=50, deadline=None)
def test_adapted_queries_are_those_of_each_matrix(m, d, nq, sets):
    rng = np.random.default_rng(0)
    queries, asked = (rng.normal(size=(n, d)).astype(np.float32) for n in (m, nq))
    targets = rng.normal(size=(sets, m, d)).astype(np.float32)
    penalties, weights = np.array([0.5, 3.0, 300.0]), np.ones(m, dtype=np.float32)
    got = _core.ridge_adapted(queries, targets.reshape(-1, d), asked, penalties)
    told = sets if m else 1  # without a query, targets tell of no sets
    for aims, blocks in zip(targets, got.reshape(told, 3, nq, d), strict=False):
        for penalty, block in zip(penalties, blocks, strict=True):
            expected = asked @ oracle.ridge(queries, aims, weights, penalty)
            np.testing.assert_allclose(block, expected, atol=2e-4)


@pytest.mark.parametrize("d", [95, 96, 97, 300])
def test_adapted_queries_of_many_dimensions(d):
    """The factor is made of blocks of 96."""
    rng = np.random.default_rng(0)
    queries, targets = rng.normal(size=(2, 50, d)).astype(np.float32)
    asked, ones = rng.normal(size=(5, d)).astype(np.float32), np.ones(50, dtype=np.float32)
    got = _core.ridge_adapted(queries, targets, asked, np.array([3.0]))
    expected = asked @ oracle.ridge(queries, targets, ones, 3.0)
    np.testing.assert_allclose(got, expected, atol=1e-3)
    one = _core.ridge_adapted(queries, targets, asked, np.array([3.0]), num_threads=1)
    np.testing.assert_array_equal(got, one)


@pytest.mark.parametrize("penalty", [0.0, -1.0, float("nan"), float("inf")])
def test_adapted_refuses_penalties(penalty):
    given = (np.zeros((2, 3), np.float32) for _ in range(3))
    with pytest.raises(ValueError, match="lambda: expected > 0"):
        _core.ridge_adapted(*given, np.array([penalty]))


@pytest.mark.parametrize(
    ("queries", "targets", "asked"),
    [((5, 4), (10, 4), (2, 3)), ((5, 4), (10, 3), (2, 4)), ((5, 4), (7, 4), (2, 4))],
)
def test_adapted_refuses_other_shapes(queries, targets, asked):
    given = (np.zeros(shape, np.float32) for shape in (queries, targets, asked))
    with pytest.raises(ValueError, match=r"expected queries \(m, d\), targets \(sets m, d\)"):
        _core.ridge_adapted(*given, np.ones(1))
