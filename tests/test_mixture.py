import numpy as np
import oracle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_features import some_legs

from ragtune import _core, features
from ragtune.features import Line
from ragtune.fusion import (
    TRUST_PENALTY,
    Examples,
    Fusion,
    SeenExpert,
    Trust,
    fit_weights,
    fixed_mix,
    sharpened,
    softmax,
)
from ragtune.legs import Legs

SIZES = dict(nq=st.integers(1, 6), c=st.integers(1, 8), seed=st.integers(0, 99))
NAMES = ("dense", "words")


def some_expert(seed, shift=0.0):
    rng = np.random.default_rng(seed)
    wide, told = 2 + _core.MEMORY_FEATURES, _core.QUESTION_FEATURES
    scale = rng.uniform(0.5, 2, size=told)
    trust = Trust(rng.normal(size=told), scale, rng.normal(size=told + 1))
    return SeenExpert(rng.normal(size=2), rng.normal(size=wide), Line(0.2, 0.4), trust, shift)


def filled_legs(nq, c, seed):
    """Legs in which every question has a candidate."""
    legs = some_legs(nq, c, seed)
    rows = legs.rows.copy()
    rows[:, 0] = 0
    return Legs(rows, legs.scores)


@given(**SIZES)
@settings(max_examples=80, deadline=None)
def test_softmax_agrees_with_its_definition(nq, c, seed):
    legs = some_legs(nq, c, seed)
    scores = 50 * legs.scores["dense"].astype(np.float64)
    found = softmax(scores, legs.mask)
    np.testing.assert_allclose(found, oracle.softmax(scores, legs.mask), atol=1e-12)
    some = legs.mask.any(axis=1)
    np.testing.assert_allclose(found[some].sum(axis=1), 1)
    assert not found[~some].any()


def test_softmax_of_huge_scores_stays_finite():
    found = softmax(np.array([[1e300, -1e300, 1e300]]), np.ones((1, 3), bool))
    np.testing.assert_allclose(found, [[0.5, 0, 0.5]])


@given(**SIZES)
@settings(max_examples=60, deadline=None)
def test_mixture_agrees_with_its_definition(nq, c, seed):
    legs, expert = filled_legs(nq, c, seed), some_expert(seed, shift=-0.5)
    values = features.of_legs(legs, NAMES).astype(np.float64)
    base = values @ expert.base
    both = np.concatenate([values, features.of_memory(legs)], axis=-1) @ expert.weights
    likeness = features.likeness(legs, expert.line)
    masked = np.where(legs.mask, base, -np.inf)
    shares = (oracle.softmax(scores, legs.mask) for scores in (both, base))
    questions = features.of_questions(likeness, masked, *shares)
    expected = np.zeros((nq, c))
    for q in range(nq):
        x = (questions[q] - expert.trust.mean) / expert.trust.deviation
        log_odds = x @ expert.trust.weights[:-1] + expert.trust.weights[-1] - 0.5
        g = 1 / (1 + np.exp(-np.clip(log_odds, -500, 500)))
        mask = legs.mask[q : q + 1]
        seen, unseen = (oracle.softmax(s[q : q + 1], mask)[0] for s in (both, base))
        expected[q] = g * seen + (1 - g) * unseen
    found = Fusion(NAMES, np.zeros(2), expert).probabilities(legs)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-5)
    assert not found[~legs.mask].any()


def test_without_an_expert_it_is_a_softmax_of_the_legs():
    legs, weights = some_legs(4, 6, 0), np.array([1.5, 0.5])
    scores = features.of_legs(legs, NAMES) @ weights
    found = Fusion(NAMES, weights).probabilities(legs)
    np.testing.assert_allclose(found, oracle.softmax(scores, legs.mask), atol=1e-6)


def test_wholly_distrusted_the_expert_says_nothing():
    legs = filled_legs(4, 6, 0)
    careful = some_expert(0, shift=-1e6)
    found = Fusion(NAMES, np.zeros(2), careful).probabilities(legs)
    alone = Fusion(NAMES, careful.base).probabilities(legs)
    np.testing.assert_allclose(found, alone, atol=1e-6)


def test_a_leg_that_is_missing_when_ranking_says_nothing():
    legs = some_legs(4, 6, 0)
    silent = Legs(legs.rows, {"dense": legs.scores["dense"]})
    found = Fusion(NAMES, np.array([1.0, 3.0])).probabilities(silent)
    np.testing.assert_array_equal(found, Fusion(("dense",), np.array([1.0])).probabilities(silent))


@given(n=st.integers(5, 60), f=st.integers(1, 4), seed=st.integers(0, 30))
@settings(max_examples=15, deadline=None)
def test_trust_is_the_minimum_that_gradient_descent_finds(n, f, seed):
    rng = np.random.default_rng(seed)
    inputs = rng.normal(size=(n, f)) * 10 + 3
    is_seen = (inputs[:, 0] + 8 * rng.normal(size=n) > 3).astype(float)
    importance = rng.uniform(0.1, 3, size=n)
    trust = Trust.fitted(inputs, is_seen, importance)
    slow = oracle.logistic_regression(inputs, is_seen, importance, TRUST_PENALTY)
    np.testing.assert_allclose(trust.weights, slow, atol=1e-5)


def test_trust_in_separable_questions_stays_finite():
    trust = Trust.fitted(np.arange(20.0)[:, None], np.arange(20) >= 10.0, np.ones(20))
    found = trust(np.arange(20.0)[:, None], 0.0)
    assert np.isfinite(trust.weights).all()
    assert (np.diff(found) > 0).all()
    assert found[0] < 0.1 < 0.9 < found[-1]


def test_trust_in_what_is_always_the_same_is_the_share_of_the_seen():
    trust = Trust.fitted(np.ones((8, 2)), np.array([1.0] * 4 + [0.0] * 4), np.ones(8))
    np.testing.assert_allclose(trust(np.ones((1, 2)), 0.0), 0.5)


def test_a_shift_moves_the_log_odds():
    trust = some_expert(0).trust
    inputs = np.random.default_rng(1).normal(size=(5, _core.QUESTION_FEATURES))
    odds = [np.log(p / (1 - p)) for p in (trust(inputs, 0.0), trust(inputs, -2.0))]
    np.testing.assert_allclose(odds[0] - odds[1], 2, atol=1e-6)


@pytest.mark.parametrize(
    ("names", "share", "expected"),
    [
        (("dense", "adapted", "words"), 0.25, [0.75, 0, 0.25]),
        (("dense",), 0.0, [1]),
        (("words", "part"), 1.0, [1, 0]),
    ],
)
def test_fixed_mix_weighs_frozen_vectors_and_words_alone(names, share, expected):
    np.testing.assert_array_equal(fixed_mix(names, share), expected)


def judged(values, best):
    """Examples in which the candidate `best` (nq,) of each question is relevant."""
    nq, c, _ = values.shape
    grades = np.zeros((nq, c), np.float32)
    grades[np.arange(nq), best] = 1
    legs = Legs(np.tile(np.arange(c), (nq, 1)), {})
    return Examples(legs, grades, np.ones(nq, np.float32))


def test_weights_follow_the_feature_that_decides_and_few_questions_the_prior():
    values = np.random.default_rng(0).normal(size=(400, 8, 3)).astype(np.float32)
    examples, prior = judged(values, values[..., 1].argmax(axis=1)), np.array([1.0, 0, 0])
    weights = fit_weights(values, examples, prior)
    assert weights[1] > 3 * max(abs(weights[0]), abs(weights[2]))
    few = Examples(examples.legs, examples.grades, np.zeros(400, np.float32))
    np.testing.assert_allclose(fit_weights(values, few, prior), prior, atol=1e-6)
    distances = [
        np.linalg.norm(
            fit_weights(values[:n], judged(values[:n], values[:n, :, 1].argmax(axis=1)), prior)
            - prior
        )
        for n in (2, 20, 200)
    ]
    assert distances == sorted(distances)


def test_a_mix_that_ranks_well_is_sharpened_and_keeps_its_direction():
    values = np.random.default_rng(0).normal(size=(200, 8, 2)).astype(np.float32)
    mix = np.array([0.75, 0.25])
    examples = judged(values, (values @ mix).argmax(axis=1))
    sharp = sharpened(values, examples, mix)
    assert sharp[0] / sharp[1] == pytest.approx(3)
    assert sharp[0] > 2 * mix[0]


def test_a_mix_is_never_turned_round():
    values = np.random.default_rng(0).normal(size=(200, 8, 1)).astype(np.float32)
    examples = judged(values, values[..., 0].argmin(axis=1))
    assert sharpened(values, examples, np.ones(1))[0] > 0
