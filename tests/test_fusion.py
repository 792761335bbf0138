import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragtune import _core


def examples(nq, c, f, seed=0):
    """Features, grades (0 to 2, some -1 for padding) and weights of some queries."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(nq * c, f)).astype(np.float32)
    grades = rng.choice([-1, 0, 0, 0, 1, 2], size=(nq, c)).astype(np.float32)
    return features, grades, rng.uniform(0, 2, size=nq).astype(np.float32)


def slow_loss(features, grades, weights, w):
    """Each relevant candidate against all that are not relevant, written out."""
    c, weights = grades.shape[1], weights.astype(np.float64)
    scores = (features.astype(np.float64) @ w).reshape(grades.shape)
    total = value = 0.0
    for q, (s, g) in enumerate(zip(scores, grades.astype(np.float64), strict=True)):
        if not (g > 0).any() or not (g == 0).any():
            continue
        own = sum(g[p] * np.log1p(np.exp(s[g == 0] - s[p]).sum()) for p in range(c) if g[p] > 0)
        value += weights[q] * own / g[g > 0].sum()
        total += weights[q]
    return value / total if total else 0.0


@given(nq=st.integers(1, 12), c=st.integers(1, 9), f=st.integers(1, 6), seed=st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_loss_agrees_with_its_definition(nq, c, f, seed):
    data = examples(nq, c, f, seed)
    w = np.random.default_rng(seed).normal(size=f)
    assert _core.fusion_loss(*data, w)[0] == pytest.approx(slow_loss(*data, w), abs=1e-6)


@given(seed=st.integers(0, 99))
@settings(max_examples=20, deadline=None)
def test_gradient_and_hessian_agree_with_finite_differences(seed):
    data = examples(6, 7, 4, seed)
    w = np.random.default_rng(seed).normal(size=4)
    _, gradient, hessian = _core.fusion_loss(*data, w)
    for i, step in enumerate(1e-5 * np.eye(4)):
        above, below = _core.fusion_loss(*data, w + step), _core.fusion_loss(*data, w - step)
        assert (above[0] - below[0]) / 2e-5 == pytest.approx(gradient[i], abs=1e-6)
        np.testing.assert_allclose((above[1] - below[1]) / 2e-5, hessian[i], atol=1e-5)


def test_fit_is_the_minimum():
    data, prior = examples(80, 12, 5), np.array([1.0, 0.5, 0, 0, 0])
    w, loss, _ = _core.fit_fusion(*data, prior, penalty=0.05)

    def penalised(w):
        return slow_loss(*data, w) + 0.05 * ((w - prior) ** 2).sum()

    assert loss == pytest.approx(penalised(w), abs=1e-8)
    for i, step in enumerate(1e-3 * np.eye(5)):
        assert penalised(w + step) > penalised(w), i
        assert penalised(w - step) > penalised(w), i


def test_large_penalty_keeps_the_prior():
    prior = np.array([0.3, -1.0, 2.0])
    w, _, _ = _core.fit_fusion(*examples(30, 8, 3), prior, penalty=1e9)
    np.testing.assert_allclose(w, prior, atol=1e-6)


def test_queries_that_teach_nothing_keep_the_prior():
    features, grades, weights = examples(10, 5, 3)
    prior = np.array([1.0, 2.0, 3.0])
    for only in (0, 1, -1):  # no relevant one, no other, no candidate at all
        w, _, steps = _core.fit_fusion(
            features, np.full_like(grades, only), weights, prior, penalty=0.1
        )
        np.testing.assert_array_equal(w, prior)
        assert steps == 0


def test_same_bytes_at_any_number_of_threads():
    data, prior = examples(700, 10, 6), np.zeros(6)
    one, two = (_core.fit_fusion(*data, prior, penalty=0.01, num_threads=t)[0] for t in (1, 2))
    np.testing.assert_array_equal(one, two)


def test_huge_features_are_fitted_without_overflow():
    features, grades, weights = examples(50, 10, 3)
    w, loss, _ = _core.fit_fusion(features * 1e6, grades, weights, np.ones(3), penalty=1e-3)
    assert np.isfinite(w).all()
    assert np.isfinite(loss)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"features": np.zeros((9, 3), np.float32)}, r"features: expected shape \(10, 3\)"),
        ({"weights": np.ones(3, np.float32)}, "weights: expected 2, got 3"),
        ({"weights": np.array([1, -1], np.float32)}, "weights: expected finite and >= 0"),
        ({"features": np.full((10, 3), np.nan, np.float32)}, "expected finite values"),
        ({"penalty": 0.0}, "penalty: expected > 0"),
    ],
)
def test_wrong_arguments_are_named(change, message):
    features, grades, weights = examples(2, 5, 3)
    given = {"features": features, "grades": grades, "weights": weights, "prior": np.zeros(3)}
    with pytest.raises(ValueError, match=message):
        _core.fit_fusion(**(given | {"penalty": 0.1} | change))
