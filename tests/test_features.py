import numpy as np
import oracle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragtune import _core
from ragtune.features import (
    LEGS,
    Line,
    likeness,
    names_of,
    of_legs,
    of_memory,
    of_questions,
    standardized,
)
from ragtune.legs import Legs

HINGES, SCALE = (0.6, 0.75, 0.9), 4.0
SIZES = dict(nq=st.integers(1, 6), c=st.integers(1, 8), seed=st.integers(0, 99))


def some_legs(nq, c, seed, names=("dense", "words", "memory")):
    """Legs of which some candidates are padding and some have no stored question."""
    rng = np.random.default_rng(seed)
    count = rng.integers(0, c + 1, size=nq)
    rows = np.where(np.arange(c) < count[:, None], np.arange(c), -1)
    scores = {name: rng.uniform(-1, 1, size=(nq, c)).astype(np.float32) for name in names}
    if "memory" in scores:
        scores["memory"][rng.random((nq, c)) < 0.4] = np.nan
    return Legs(rows, scores)


@given(**SIZES)
@settings(max_examples=80, deadline=None)
def test_standardised_scores_agree_with_their_definition(nq, c, seed):
    legs = some_legs(nq, c, seed)
    scores = 1e3 * legs.scores["dense"]
    found = standardized(scores, legs.mask)
    np.testing.assert_allclose(found, oracle.standardized(scores, legs.mask), atol=2e-3)
    assert (found[~legs.mask] == 0).all()


def test_what_padding_holds_changes_nothing():
    mask = np.array([[True, True, False]])
    one, other = (standardized(np.array([[1.0, 2, x]]), mask) for x in (0.0, np.nan))
    np.testing.assert_array_equal(one, other)


def test_candidates_that_score_alike_are_told_apart_by_nothing():
    assert not standardized(np.full((2, 4), 7.5, np.float32), np.ones((2, 4), bool)).any()


def test_legs_keep_a_fixed_order_and_missing_ones_say_nothing():
    legs = some_legs(3, 5, 0, names=("words", "dense"))
    assert names_of(legs) == ("dense", "words")
    values = of_legs(legs, LEGS)
    assert values.shape == (3, 5, len(LEGS))
    for number, name in enumerate(LEGS):
        expected = standardized(legs.scores[name], legs.mask) if name in legs.scores else 0
        np.testing.assert_array_equal(values[..., number], np.broadcast_to(expected, (3, 5)))


@given(nq=st.integers(2, 6), c=st.integers(4, 9), seed=st.integers(0, 99))
@settings(max_examples=50, deadline=None)
def test_line_is_that_of_least_squares(nq, c, seed):
    legs = some_legs(nq, c, seed)
    known = legs.mask & ~np.isnan(legs.scores["memory"])
    x, y = (legs.scores[name][known].astype(np.float64) for name in ("dense", "memory"))
    if len(x) < 3:
        return
    slope, intercept = np.polyfit(x, y, 1)
    line = Line.fitted(legs)
    assert (line.slope, line.intercept) == pytest.approx((slope, intercept), rel=1e-3, abs=1e-4)


@pytest.mark.parametrize(
    ("memory", "expected"), [([np.nan] * 3, Line(0, 0)), ([np.nan, 0.5, np.nan], Line(0.5, 0))]
)
def test_line_through_too_few_points_is_flat(memory, expected):
    scores = {"dense": np.array([[0.1, 0.2, 0.3]]), "memory": np.array([memory])}
    assert Line.fitted(Legs(np.arange(3)[None], scores)) == expected


def test_line_through_equal_dense_scores_is_flat():
    scores = {"dense": np.full((1, 3), 0.4), "memory": np.array([[0.1, 0.2, 0.9]])}
    line = Line.fitted(Legs(np.arange(3)[None], scores))
    assert (line.intercept, line.slope) == (pytest.approx(0.4), 0)


def test_that_a_chunk_has_questions_does_not_show():
    """One whose likeness is what its dense score lets expect looks the same without."""
    legs = some_legs(5, 7, 1)
    line = Line(0.3, 0.5)
    expected = (line.intercept + line.slope * legs.scores["dense"]).astype(np.float32)
    with_questions = Legs(legs.rows, legs.scores | {"memory": expected})
    without = Legs(legs.rows, legs.scores | {"memory": np.full_like(expected, np.nan)})
    np.testing.assert_array_equal(likeness(with_questions, line), likeness(without, line))


def test_likeness_of_padding_is_below_any_other():
    legs = some_legs(6, 7, 2)
    found = likeness(legs, Line(0.0, 0.0))
    assert (found[~legs.mask] == -1).all()
    known = legs.mask & ~np.isnan(legs.scores["memory"])
    np.testing.assert_array_equal(found[known], legs.scores["memory"][known])
    assert (found[legs.mask & ~known] == 0).all()


@given(words=st.booleans(), **SIZES)
@settings(max_examples=80, deadline=None)
def test_what_the_seen_expert_weighs_agrees_with_its_definition(nq, c, seed, words):
    legs = some_legs(nq, c, seed, ("dense", "words", "memory") if words else ("dense", "memory"))
    found = of_memory(legs)
    memory = np.nan_to_num(legs.scores["memory"].astype(np.float64), nan=0)
    means = oracle.standardized(memory, legs.mask)
    beside = oracle.standardized(legs.scores["words"], legs.mask) if words else means
    expected = np.zeros((nq, c, _core.MEMORY_FEATURES))
    for q in range(nq):
        own = sorted(memory[q, legs.mask[q]])
        padded = [-1.0] * (c - len(own)) + own
        best, second = padded[-1], padded[-2] if c > 1 else padded[-1]
        for i in np.flatnonzero(legs.mask[q]):
            m = memory[q, i]
            expected[q, i] = [
                *(SCALE * max(m - hinge, 0) for hinge in HINGES),
                means[q, i],
                SCALE * (best - second) if m == best else 0,
                SCALE * (m - best),
                m * beside[q, i],
            ]
    np.testing.assert_allclose(found, expected, atol=1e-4)


@given(**SIZES)
@settings(max_examples=80, deadline=None)
def test_what_tells_of_a_question_agrees_with_its_definition(nq, c, seed):
    rng = np.random.default_rng(seed)
    mask = np.arange(c) < rng.integers(1, c + 1, size=nq)[:, None]
    memory = np.where(mask, rng.uniform(0, 1, size=(nq, c)), -1).astype(np.float32)
    base, seen = (np.where(mask, 3 * rng.normal(size=(nq, c)), -np.inf) for _ in range(2))
    both = [oracle.softmax(own, mask) for own in (seen, base)]
    found = of_questions(memory, base, *both)
    for q in range(nq):
        shares = [own[q] for own in both]
        m, b = memory[q].astype(np.float64), base[q]
        likest, first = int(m.argmax()), int(b.argmax())
        best, gap = m[likest], b[likest] - b[first]
        rivals, others = sorted(np.delete(m, likest)), sorted(np.delete(b, first))
        lead = best - rivals[-1] if rivals else 0
        ahead = b[first] - others[-1] if others and np.isfinite(others[-1]) else 0
        expected = [
            *(best, max(best - 0.6, 0), max(best - 0.8, 0), lead, gap),
            1 / (1 + (b > b[likest]).sum()),
            *(best * (gap >= 0), ahead, m[first], best * gap),
            np.sqrt(shares[0] * shares[1]).sum(),
            *(-(p[p > 0] * np.log(p[p > 0])).sum() for p in shares),
        ]
        np.testing.assert_allclose(found[q], expected, atol=1e-9)


def test_a_question_without_candidates_has_finite_features():
    nothing = np.zeros((1, 3))
    found = of_questions(np.full((1, 3), -1.0), np.full((1, 3), -np.inf), nothing, nothing)
    assert np.isfinite(found).all()


def test_experts_agree_wholly_or_not_at_all():
    sure, other = np.array([[1.0, 0.0], [1.0, 0.0]]), np.array([[1.0, 0.0], [0.0, 1.0]])
    agreement, *unsure = of_questions(np.zeros((2, 2)), sure, other, sure).T[-3:]
    np.testing.assert_allclose(agreement, [1, 0], atol=1e-9)
    np.testing.assert_allclose(unsure, 0, atol=1e-9)
    half = np.full((1, 2), 0.5)
    even = of_questions(np.zeros((1, 2)), np.zeros((1, 2)), half, half)[0]
    np.testing.assert_allclose(even[-3:], [1, np.log(2), np.log(2)])
