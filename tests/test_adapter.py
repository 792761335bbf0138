import numpy as np
import oracle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragtune import _core


def normal(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


@given(nq=st.integers(1, 30), d=st.integers(1, 80), seed=st.integers(0, 100))
@settings(max_examples=40, deadline=None)
def test_linear_agrees_with_numpy(nq, d, seed):
    queries, w = normal(seed, nq, d), np.eye(d, dtype=np.float32) + 0.1 * normal(seed + 1, d, d)
    adapted = _core.Adapter.linear(w).apply(queries)
    np.testing.assert_allclose(adapted, oracle.unit(queries.astype(np.float64) @ w), atol=1e-5)


def test_one_query_and_a_batch_agree():
    queries, adapter = normal(0, 20, 33), _core.Adapter.linear(normal(1, 33, 33))
    one_by_one = np.concatenate([adapter.apply(queries[i : i + 1]) for i in range(20)])
    np.testing.assert_allclose(adapter.apply(queries), one_by_one, atol=1e-6)


def test_identity_only_brings_to_unit_length():
    queries = normal(0, 5, 7)
    np.testing.assert_allclose(
        _core.Adapter.identity(7).apply(queries), oracle.unit(queries), atol=1e-7
    )


def test_zero_query_stays_zero():
    assert not _core.Adapter.linear(normal(0, 4, 4)).apply(np.zeros((1, 4), np.float32)).any()


def test_matrix_comes_back():
    w = normal(0, 6, 6)
    np.testing.assert_array_equal(_core.Adapter.linear(w).matrix(), w)
    np.testing.assert_array_equal(_core.Adapter.identity(3).matrix(), np.eye(3))


@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0, 1.25])
def test_shrinks_to_the_identity(alpha):
    w = normal(0, 5, 5)
    expected = np.eye(5) + alpha * (w - np.eye(5))
    np.testing.assert_allclose(_core.shrunk_to_identity(w, alpha=alpha), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("w", "message"),
    [
        (np.zeros((2, 3), np.float32), r"w: expected shape \(d, d\), got \(2, 3\)"),
        (np.zeros((0, 0), np.float32), r"w: expected shape \(d, d\), got \(0, 0\)"),
        (np.full((2, 2), np.nan, np.float32), "w: expected finite values"),
    ],
)
def test_rejects_matrix(w, message):
    with pytest.raises(ValueError, match=message):
        _core.Adapter.linear(w)


def test_rejects_queries_of_another_dimension():
    with pytest.raises(ValueError, match="queries: expected 3 dimensions, got 4"):
        _core.Adapter.identity(3).apply(np.zeros((1, 4), np.float32))
