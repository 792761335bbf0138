import numpy as np
import oracle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragtune import _core
from ragtune.evaluation import Qrels, Run, evaluate
from ragtune.ranking import scores_from_ranks


def integers(seed, *shape):
    """Small whole numbers: every score is exact, and ties abound."""
    return np.random.default_rng(seed).integers(-2, 3, size=shape).astype(np.float32)


@given(n=st.integers(1, 90), nq=st.integers(1, 60), m=st.integers(1, 3), seed=st.integers(0, 500))
@settings(max_examples=40, deadline=None)
def test_agrees_with_counting(n, nq, m, seed):
    rng = np.random.default_rng(seed)
    corpus, queries, adapted = integers(seed, n, 6), integers(seed + 1, nq, 6), None
    adapted = integers(seed + 2, m * nq, 6)
    qrels = Qrels(
        [
            {int(r): 1.0 for r in rng.choice(n, size=rng.integers(0, min(n, 4) + 1), replace=False)}
            for _ in range(nq)
        ]
    )
    alphas = np.array([0.0, 0.5, 1.0], dtype=np.float32)
    ranks = _core.relevant_ranks(corpus, queries, adapted, alphas, *qrels.csr)
    assert ranks.shape == (m, 3, len(qrels.csr[1]))
    for i in range(m):
        for a, alpha in enumerate(alphas):
            expected = [
                rank
                for q in range(nq)
                for rank in oracle.relevant_ranks(
                    corpus, queries[q], adapted[i * nq + q], alpha, list(qrels.grades[q])
                )
            ]
            assert ranks[i, a].tolist() == expected


@given(seed=st.integers(0, 200), k=st.sampled_from([1, 3, 10]))
@settings(max_examples=40, deadline=None)
def test_scores_from_ranks_agree_with_scores_from_rankings(seed, k):
    rng = np.random.default_rng(seed)
    corpus, queries = (rng.normal(size=s).astype(np.float32) for s in ((50, 8), (12, 8)))
    qrels = Qrels(
        [
            {int(r): float(rng.integers(1, 4)) for r in rng.choice(50, rng.integers(1, 5), False)}
            for _ in range(12)
        ]
    )
    ranks = _core.relevant_ranks(
        corpus, queries, queries, np.ones(1, dtype=np.float32), *qrels.csr
    )[0]
    _, rows = _core.exact_search(corpus, queries, k=50)
    for name in ("recall", "mrr", "ndcg"):
        metric = f"{name}@{k}"
        expected = evaluate(Run(rows), qrels, [metric])[metric]
        np.testing.assert_allclose(scores_from_ranks(ranks, qrels.csr, metric)[0], expected)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"adapted": integers(0, 5, 6)}, "adapted: expected a multiple of 2 rows, got 5"),
        ({"queries": integers(0, 2, 5)}, "expected 6 dimensions"),
        ({"relevant": np.array([0, 9])}, r"qrels: expected rows in \[0, 4\), got 9"),
        ({"offsets": np.array([0, 2, 1])}, "expected not to fall, got 1 after 2"),
        ({"offsets": np.array([0, 1, 1])}, "expected 1 ids and grades, got 2 and 2"),
    ],
)
def test_rejects(change, message):
    arguments = {
        "corpus": integers(0, 4, 6),
        "queries": integers(1, 2, 6),
        "adapted": integers(2, 2, 6),
        "alphas": np.ones(1, dtype=np.float32),
        "offsets": np.array([0, 1, 2]),
        "relevant": np.array([0, 1]),
        "grades": np.ones(2, dtype=np.float32),
    }
    with pytest.raises(ValueError, match=message):
        _core.relevant_ranks(**(arguments | change))
