import numpy as np
import oracle
import pytest

from ragtune import _core


def arrays(differences, groups=None, strata=None, weights=(1.0,)):
    n = len(differences)
    groups = np.arange(n) if groups is None else groups
    strata = np.zeros(n) if strata is None else strata
    return (
        np.asarray(differences, dtype=np.float64),
        np.asarray(groups, dtype=np.int32),
        np.asarray(strata, dtype=np.int32),
        np.asarray(weights, dtype=np.float64),
    )


def interval(data, resamples=4000, confidence=0.95, seed=0):
    return _core.bootstrap_interval(*data, resamples=resamples, confidence=confidence, seed=seed)


def test_mean_is_that_of_the_weighted_strata():
    rng = np.random.default_rng(0)
    data = arrays(rng.normal(size=60), strata=rng.integers(0, 3, 60), weights=(0.5, 0.3, 0.2))
    assert interval(data)[0] == pytest.approx(oracle.weighted_mean(data[0], data[2], data[3]))


def test_interval_of_independent_queries_is_that_of_the_normal_distribution():
    differences = np.random.default_rng(1).normal(0.1, 1.0, size=2000)
    mean, lower, upper = interval(arrays(differences))
    half = 1.96 * differences.std() / np.sqrt(2000)
    assert lower == pytest.approx(mean - half, abs=0.1 * half)
    assert upper == pytest.approx(mean + half, abs=0.1 * half)


def test_interval_agrees_with_numpy_on_clusters():
    rng = np.random.default_rng(2)
    groups = rng.integers(0, 40, size=300)
    data = arrays(rng.normal(size=300) + rng.normal(size=40)[groups], groups)
    draws = []
    for _ in range(4000):
        counts = np.bincount(rng.integers(0, 40, size=40), minlength=40)[groups]
        draws.append((counts * data[0]).sum() / counts.sum())
    _, lower, upper = interval(data)
    np.testing.assert_allclose([lower, upper], np.percentile(draws, [2.5, 97.5]), atol=0.03)


def test_grouped_queries_widen_the_interval():
    groups = np.repeat(np.arange(20), 10)
    differences = np.random.default_rng(3).normal(size=20)[groups]
    _, lower, upper = interval(arrays(differences, groups))
    _, alone_lower, alone_upper = interval(arrays(differences))
    assert upper - lower > 2 * (alone_upper - alone_lower)


def test_covers_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(4)
    groups = np.repeat(np.arange(60), 3)
    hits = 0
    for trial in range(200):
        differences = rng.normal(size=180) * 0.5 + rng.normal(size=60)[groups]
        _, lower, upper = interval(arrays(differences, groups), resamples=500, seed=trial)
        hits += lower <= 0 <= upper
    assert 180 <= hits <= 200


def test_same_seed_same_result():
    data = arrays(np.random.default_rng(5).normal(size=50))
    assert interval(data, seed=7) == interval(data, seed=7)
    assert interval(data, seed=7) != interval(data, seed=8)


def test_randomization_agrees_with_all_sign_changes():
    differences = np.array([0.5, 0.2, 0.4, -0.1, 0.3, 0.6, 0.1, 0.2])
    signs = 1 - 2 * ((np.arange(256)[:, None] >> np.arange(8)) & 1)
    exact = (np.abs(signs @ differences) >= abs(differences.sum()) - 1e-12).mean()
    p = _core.randomization_test(*arrays(differences), resamples=20_000, seed=0)
    assert p == pytest.approx(exact, abs=0.005)


def test_randomization_finds_no_difference_in_chance():
    rng = np.random.default_rng(6)
    small = sum(
        _core.randomization_test(*arrays(rng.normal(size=80)), resamples=200, seed=s) <= 0.05
        for s in range(200)
    )
    assert small <= 20


def test_no_difference_at_all():
    assert list(interval(arrays(np.zeros(9)))) == [0.0, 0.0, 0.0]
    assert _core.randomization_test(*arrays(np.zeros(9)), resamples=99, seed=0) == 1.0


@pytest.mark.parametrize(
    ("data", "change", "message"),
    [
        (arrays([]), {}, "expected at least one query, got 0"),
        (arrays([1.0, 2.0], groups=[0]), {}, "groups and strata: expected 2 values, got 1 and 2"),
        (arrays([1.0], groups=[5]), {}, r"groups: expected numbers in \[0, 1\), got 5"),
        (arrays([1.0], strata=[1]), {}, r"strata: expected numbers in \[0, 1\), got 1"),
        (arrays([1.0]), {"resamples": 0}, "resamples: expected >= 1, got 0"),
        (arrays([1.0]), {"confidence": 1.0}, r"confidence: expected in \(0, 1\)"),
    ],
)
def test_rejects(data, change, message):
    with pytest.raises(ValueError, match=message):
        interval(data, **change)
