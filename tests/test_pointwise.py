import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragtune import _core


@given(n=st.integers(1, 30), d=st.integers(1, 70), c=st.integers(0, 9), seed=st.integers(0, 9))
@settings(max_examples=40, deadline=None)
def test_scores_are_inner_products_of_the_candidates(n, d, c, seed):
    rng = np.random.default_rng(seed)
    corpus = rng.normal(size=(n, d)).astype(np.float32)
    queries = rng.normal(size=(4, d)).astype(np.float32)
    rows = rng.integers(-1, n, size=(4, c))
    expected = np.einsum("qcd,qd->qc", corpus[rows].astype(np.float64), queries)
    expected[rows < 0] = 0
    got = _core.candidate_scores(corpus, queries, rows)
    np.testing.assert_allclose(got, expected, atol=1e-4)


def test_unknown_rows_are_refused():
    corpus = np.zeros((3, 2), dtype=np.float32)
    with pytest.raises(ValueError, match=r"candidates: expected rows in \[-1, 3\), got 3"):
        _core.candidate_scores(corpus, corpus[:1], np.array([[3]]))
    with pytest.raises(ValueError, match=r"queries: expected shape \(2, 2\), got \(1, 2\)"):
        _core.candidate_scores(corpus, corpus[:1], np.array([[0], [1]]))
