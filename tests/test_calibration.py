import numpy as np
import pytest
from conftest import worded
from hypothesis import given, settings
from hypothesis import strategies as st

import ragtune
from ragtune import _core
from ragtune.calibration import LEAST, Calibration


def slow_isotonic(x, y, w):
    """Min-max formula: f(x_i) = max over a <= i of min over b >= i of the mean of [a, b]."""
    kept = w > 0
    x, y, w = x[kept], y[kept], w[kept]
    points = sorted(set(x))
    weight = np.array([w[x == p].sum() for p in points])
    mean = np.array([(w * y)[x == p].sum() for p in points]) / weight
    n = len(points)

    def average(a, b):
        return (weight * mean)[a : b + 1].sum() / weight[a : b + 1].sum()

    return [max(min(average(a, b) for b in range(i, n)) for a in range(i + 1)) for i in range(n)]


@given(n=st.integers(1, 14), seed=st.integers(0, 200))
@settings(max_examples=150, deadline=None)
def test_knots_agree_with_the_min_max_formula(n, seed):
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 8, size=n).astype(np.float32)
    y = rng.integers(0, 2, size=n).astype(np.float32)
    w = rng.integers(0, 3, size=n).astype(np.float32)
    knots, values = _core.isotonic(x, y, w)
    assert (np.diff(knots) > 0).all()
    assert (np.diff(values) > 0).all()
    # Each knot is the mean of a block of points that share a value.
    expected = np.unique(np.round(slow_isotonic(*map(np.float64, (x, y, w))), 9))
    np.testing.assert_allclose(values, expected, atol=1e-8)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y": np.zeros(3, np.float32)}, "y: expected 2 values, got 3"),
        ({"w": np.array([1, -1], np.float32)}, "w: expected finite values, got -1"),
        ({"x": np.array([0, np.nan], np.float32)}, "x: expected finite values, got nan"),
    ],
)
def test_points_that_make_no_sense_are_refused(change, message):
    points = {name: np.ones(2, np.float32) for name in "xyw"} | change
    with pytest.raises(ValueError, match=message):
        _core.isotonic(**points)


def test_chances_are_those_that_the_scores_were_drawn_with():
    rng = np.random.default_rng(0)
    scores = rng.random(20_000)
    curve = Calibration.fitted(scores, rng.random(20_000) < scores**2, np.ones(20_000))
    grid = np.linspace(0.05, 0.95, 10)
    np.testing.assert_allclose(curve(grid), grid**2, atol=0.06)
    assert (np.diff(curve(np.linspace(-1, 2, 50))) >= 0).all()
    assert curve(-9.0) >= 0
    assert curve(9.0) <= 1


def test_too_few_relevant_candidates_give_no_curve():
    relevant = np.arange(500) < LEAST - 1
    assert Calibration.fitted(np.arange(500.0), relevant, np.ones(500)) is None


def test_a_model_tells_the_chance_of_what_it_ranks(tmp_path):
    (corpus, queries, qrels), texts = worded(n=200, nq=400)
    asked, said, truth = queries[300:], texts["queries"][300:], qrels[300:]
    model = ragtune.fit(
        corpus, queries[:300], qrels[:300], texts=texts["texts"], queries=texts["queries"][:300]
    )
    scores, rows = model.rank(asked, said, k=5)
    chances = model.relevance(scores)
    assert ((chances >= 0) & (chances <= 1)).all()
    assert (np.diff(chances, axis=1) <= 1e-12).all()
    hit = np.array([[row in own for row in found] for found, own in zip(rows, truth, strict=True)])
    assert chances[:, 0].mean() == pytest.approx(hit[:, 0].mean(), abs=0.1)
    model.save(tmp_path / "model")
    loaded = ragtune.load(tmp_path / "model")
    np.testing.assert_allclose(loaded.relevance(scores), chances)


def test_a_model_of_few_questions_tells_no_chance():
    (corpus, queries, qrels), texts = worded(n=40, nq=12)
    model = ragtune.fit(corpus, queries, qrels, **texts)
    assert model.relevance(np.zeros(3)) is None
