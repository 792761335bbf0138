import os
import subprocess
import sys

import numpy as np
import oracle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragtune import _core


def normal(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("l2", [False, True])
@given(
    n=st.integers(1, 200),
    nq=st.integers(1, 20),
    d=st.integers(1, 70),
    k=st.integers(1, 20),
    seed=st.integers(0, 1000),
)
@settings(max_examples=60, deadline=None)
def test_agrees_with_float64(l2, n, nq, d, k, seed):
    corpus, queries = normal(seed, n, d), normal(seed + 1, nq, d)
    scores, rows = _core.exact_search(corpus, queries, k=k, l2=l2)
    expected_scores, expected_rows = oracle.exact_search(corpus, queries, k, l2)
    found = min(k, n)
    np.testing.assert_array_equal(rows[:, :found], expected_rows)
    np.testing.assert_allclose(scores[:, :found], expected_scores, rtol=1e-6, atol=1e-6)
    assert (rows[:, found:] == -1).all()
    assert np.isneginf(scores[:, found:]).all()


@pytest.mark.parametrize("nq", [1, 5])
@pytest.mark.parametrize("l2", [False, True])
def test_equal_rows_stand_in_row_order(nq, l2):
    corpus = np.repeat(normal(0, 3, 16), 200, axis=0)[np.random.default_rng(1).permutation(600)]
    queries = normal(2, nq, 16)
    _, rows = _core.exact_search(corpus, queries, k=250, l2=l2)
    np.testing.assert_array_equal(rows, oracle.exact_search(corpus, queries, 250, l2)[1])


@pytest.mark.parametrize("nq", [1, 9])
def test_differences_below_float32_still_decide(nq):
    """Scores that differ by less than float32 resolves must come out in float64 order."""
    base = normal(0, 1, 64)
    corpus = np.repeat(base, 3000, axis=0)
    corpus[:, 0] += np.random.default_rng(1).permutation(3000).astype(np.float32) * 1e-7
    queries = np.repeat(base, nq, axis=0)
    _, rows = _core.exact_search(corpus, queries, k=20)
    np.testing.assert_array_equal(rows, oracle.exact_search(corpus, queries, 20)[1])


def test_threads_change_nothing():
    corpus, queries = normal(0, 5000, 48), normal(1, 40, 48)
    one = _core.exact_search(corpus, queries, k=10, num_threads=1)
    many = _core.exact_search(corpus, queries, k=10, num_threads=4)
    for a, b in zip(one, many, strict=True):
        np.testing.assert_array_equal(a, b)


def test_more_dimensions_than_a_block():
    corpus, queries = normal(0, 300, 1300), normal(1, 6, 1300)
    _, rows = _core.exact_search(corpus, queries, k=10)
    np.testing.assert_array_equal(rows, oracle.exact_search(corpus, queries, 10)[1])


@pytest.mark.parametrize("kernels", _core.available_kernels())
def test_every_kernel_set_finds_the_same(kernels):
    code = """
import numpy as np
from ragtune import _core
rng = np.random.default_rng(0)
corpus, queries = (rng.normal(size=s).astype(np.float32) for s in ((3000, 100), (30, 100)))
for nq in (1, 30):
    scores, rows = _core.exact_search(corpus, queries[:nq], k=10)
    expected = np.argsort(-(queries[:nq].astype(float) @ corpus.T.astype(float)), axis=1)[:, :10]
    assert (rows == expected).all()
print("same")
"""
    env = os.environ | {"RAGTUNE_SIMD": kernels}
    out = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)
    assert out.stdout.strip() == "same", out.stderr


@pytest.mark.parametrize(
    ("corpus", "queries", "k", "message"),
    [
        (normal(0, 3, 4), normal(0, 2, 5), 1, "queries: expected 4 dimensions, got 5"),
        (normal(0, 3, 4), normal(0, 2, 4), 0, "k: expected >= 1, got 0"),
        (np.full((3, 4), 1e30, np.float32), np.full((1, 4), 1e30, np.float32), 1, "overflows"),
    ],
)
def test_rejects(corpus, queries, k, message):
    with pytest.raises(ValueError, match=message):
        _core.exact_search(corpus, queries, k=k)


def test_empty_corpus_has_no_neighbours():
    _, rows = _core.exact_search(normal(0, 0, 4), normal(0, 2, 4), k=3)
    assert (rows == -1).all()


@given(m=st.integers(0, 40), n=st.integers(0, 70), d=st.integers(1, 600))
@settings(max_examples=40, deadline=None)
def test_product_agrees_with_float64(m, n, d):
    a, b = normal(0, m, d), normal(1, n, d)
    expected = a.astype(np.float64) @ b.astype(np.float64).T
    np.testing.assert_allclose(_core.multiply_transposed(a, b), expected, atol=1e-3)
