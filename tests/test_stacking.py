from dataclasses import replace

import numpy as np
import oracle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragtune.folds import FOLDS
from ragtune.fusion import Examples, Fusion
from ragtune.judged_table import (
    NOT_FOUND,
    Table,
    _grades,
    _joined,
    _stacked,
    stored_questions,
)
from ragtune.legs import Legs
from ragtune.stacking import (
    LADDER,
    SHIFTS,
    TOLERANCE,
    _mean_and_error,
    bolder,
    choose,
    climb,
    stack,
)
from ragtune.training_data import training_data

SIZES = dict(nq=st.integers(1, 6), c=st.integers(1, 7), seed=st.integers(0, 99))


def some_csr(rng, nq, n):
    """One to three relevant rows of each question, with grades up to 3."""
    rows = [rng.choice(n, size=rng.integers(1, 4), replace=False) for _ in range(nq)]
    offsets = np.cumsum([0, *map(len, rows)]).astype(np.int64)
    grades = rng.choice([0.5, 1, 2, 3], size=offsets[-1]).astype(np.float32)
    return offsets, np.concatenate(rows).astype(np.int64), grades


def some_table(nq, c, seed, *, memory=False, levels=3):
    """Candidates with few different scores, so that there are ties; some are not relevant."""
    rng = np.random.default_rng(seed)
    rows = np.sort(np.argsort(rng.random((nq, c + 4)), axis=1)[:, :c], axis=1)
    rows[np.arange(c) >= rng.integers(1, c + 1, size=nq)[:, None]] = -1
    names = ("dense", "words", "memory") if memory else ("dense", "words")
    scores = {n: rng.integers(0, levels, size=(nq, c)).astype(np.float32) for n in names}
    legs, csr = Legs(rows, scores), some_csr(rng, nq, c + 4)
    grades, column = _grades(legs, csr)
    weights = rng.uniform(0.1, 1, size=nq).astype(np.float32)
    values = np.stack([scores["dense"], scores["words"]], axis=-1)
    is_seen = np.arange(nq) < nq // 2
    queries, fold = np.where(is_seen, 0, -(nq // 2)) + np.arange(nq), np.arange(nq) % 5
    examples = Examples(legs, grades, weights)
    return Table(queries, fold, is_seen, weights, examples, ("dense", "words"), values, csr, column)


@given(**SIZES)
@settings(max_examples=100, deadline=None)
def test_ranks_of_relevant_rows_agree_with_sorting(nq, c, seed):
    table = some_table(nq, c, seed)
    rng = np.random.default_rng(seed + 1)
    scores = rng.integers(0, 3, size=(nq, c)).astype(float)
    offsets, rows, _ = table.csr
    found = table.ranks(scores)
    for q in range(nq):
        own = slice(offsets[q], offsets[q + 1])
        expected = oracle.candidate_ranks(table.examples.legs.rows[q], scores[q], rows[own])
        assert [None if r == NOT_FOUND else r for r in found[own].tolist()] == expected


@given(**SIZES)
@settings(max_examples=60, deadline=None)
def test_objective_is_the_ndcg_of_the_ranking(nq, c, seed):
    table = some_table(nq, c, seed)
    scores = np.random.default_rng(seed + 1).normal(size=(nq, c))
    offsets, rows, grades = table.csr
    for q, value in enumerate(table.objective(scores)):
        own, mask = slice(offsets[q], offsets[q + 1]), table.examples.legs.mask[q]
        ranked = table.examples.legs.rows[q, mask][np.argsort(-scores[q, mask], kind="stable")]
        judged = dict(zip(rows[own].tolist(), grades[own].tolist(), strict=True))
        assert value == pytest.approx(oracle.metric("ndcg", ranked, judged, 10))


@given(**SIZES)
@settings(max_examples=100, deadline=None)
def test_grades_stand_where_the_relevant_rows_are(nq, c, seed):
    table = some_table(nq, c, seed)
    (offsets, rows, grades), legs = table.csr, table.examples.legs
    for q in range(nq):
        judged = {int(rows[p]): grades[p] for p in range(offsets[q], offsets[q + 1])}
        expected = [-1 if r < 0 else judged.get(int(r), 0) for r in legs.rows[q]]
        assert table.examples.grades[q].tolist() == expected
        for p in range(offsets[q], offsets[q + 1]):
            where = np.flatnonzero(legs.rows[q] == rows[p])
            assert table.column[p] == (where[0] if len(where) else -1)


def test_pairs_of_slices_are_joined_one_after_the_other():
    rng = np.random.default_rng(0)
    parts = [some_csr(rng, nq, 9) for nq in (3, 1, 4)]
    offsets, rows, grades = _joined(parts)
    lists = [rows[offsets[q] : offsets[q + 1]].tolist() for q in range(len(offsets) - 1)]
    assert lists == [
        part[1][part[0][q] : part[0][q + 1]].tolist()
        for part in parts
        for q in range(len(part[0]) - 1)
    ]
    np.testing.assert_array_equal(grades, np.concatenate([part[2] for part in parts]))


def test_blocks_are_padded_and_put_into_order():
    one = Legs(np.array([[1, 2]]), {"dense": np.array([[0.1, 0.2]])})
    other = Legs(np.array([[3], [4]]), {"dense": np.array([[0.3], [0.4]])})
    legs = _stacked([one, other], np.array([2, 0, 1]))
    assert legs.rows.tolist() == [[4, -1], [1, 2], [3, -1]]
    assert legs.scores["dense"].tolist() == [[0.4, 0], [0.1, 0.2], [0.3, 0]]


def test_a_question_about_two_chunks_is_stored_with_both():
    corpus = np.random.default_rng(0).normal(size=(6, 4))
    data = training_data(corpus, corpus[:2], [{3: 1, 5: 2.0}, {1: 1}], None, ["a b", "c d"])
    stored = stored_questions(data)
    assert stored.rows.tolist() == [3, 5, 1]
    assert stored.texts == ["a b", "a b", "c d"]
    np.testing.assert_array_equal(stored.vectors, data.queries[[0, 0, 1]])
    assert len(stored.memory()) == 3


def steps(*means, queries=4):
    return np.repeat(np.array(means)[:, None], queries, axis=1)


@pytest.mark.parametrize(
    ("seen", "unseen", "coverage", "expected"),
    [
        (None, None, 0.5, 0),
        ((0.5, 0.6), None, 0.5, 1),
        (None, (0.5, 0.4), 0.5, 0),
        ((0.5, 0.9), (0.5, 0.49), 0.5, 0),  # learned weights may lose no more than noise
        ((0.5, 0.6, 0.9), (0.5, 0.6, 0.6 - TOLERANCE / 2), 0.5, 2),
        ((0.5, 0.6, 0.9), (0.5, 0.6, 0.6 - TOLERANCE * 2), 0.5, 1),
        ((0.5, 0.6, 0.9), (0.5, 0.499, 0.4974), 0.5, 1),  # nor than the fixed mix
        ((0.5, 0.6, 0.9, 0.8), (0.5, 0.5, 0.539, 0.58), 0.5, 3),  # memory keeps half of the gain
        ((0.5, 0.6, 0.9, 0.8), (0.5, 0.5, 0.541, 0.58), 0.5, 2),
        ((0.5, 0.6, 0.9), (0.5, 0.5, 0.5 - TOLERANCE / 2), 0.5, 2),  # or noise of none
        ((0.5, 0.6, 0.9), (0.5, 0.6, 0.5999), 0.0, 1),
        ((0.5, 0.6, 0.9), (0.5, 0.6, 0.5999), 1.0, 2),
        ((0.5, 0.5), (0.5, 0.5), 0.5, 0),  # of equal ones the simplest
    ],
)
def test_choice_weighs_slices_and_guards_the_unseen(seen, unseen, coverage, expected):
    arrays = [None if part is None else steps(*part) for part in (seen, unseen)]
    assert choose(*arrays, coverage) == expected


def test_slices_without_questions_do_not_choose():
    nothing = np.empty((2, 0))
    assert choose(nothing, nothing, 0.5) == 0
    assert choose(steps(0.1, 0.2), nothing, 0.5) == 1
    assert choose(nothing, steps(0.1, 0.2), 1.0) == 1


def everyone(table):
    return np.ones(len(table.queries), dtype=bool)


def test_ladder_ends_at_learned_weights_without_stored_questions():
    ways = climb(some_table(40, 7, 0), everyone(some_table(40, 7, 0)))
    assert [way.seen for way in ways] == [None, None]


def test_ladder_with_stored_questions_trusts_them_less_and_less():
    table = some_table(40, 7, 0, memory=True)
    ways = climb(table, everyone(table))
    assert len(ways) == LADDER
    shifts = [way.seen.shift for way in ways[2:]]
    assert shifts == sorted(shifts, reverse=True)
    assert all(way.weights is ways[1].weights for way in ways[2:])


@pytest.mark.parametrize("side", [True, False])
def test_one_kind_of_questions_is_not_enough_for_trust(side):
    table = some_table(40, 7, 0, memory=True)
    assert len(climb(table, table.is_seen == side)) == 2


def test_a_warm_start_changes_the_speed_alone():
    table = some_table(40, 7, 0, memory=True, levels=50)
    cold = climb(table, everyone(table))
    warm = climb(table, everyone(table), climb(table, np.arange(40) % 2 == 0))
    for a, b in zip(cold, warm, strict=True):
        np.testing.assert_allclose(
            a.probabilities(table.examples.legs), b.probabilities(table.examples.legs), atol=1e-4
        )


def test_questions_that_were_judged_did_not_fit_the_weights():
    """Turning the answers of one fold round does not change what the others' figures were fitted
    on: the scores of that fold itself, which its own answers must not have touched."""
    table = some_table(60, 7, 1, memory=True, levels=50)
    inside = table.fold == 3
    twisted = table.examples.grades.copy()
    for q in np.flatnonzero(inside):
        mask = table.examples.legs.mask[q]
        twisted[q, mask] = np.roll(twisted[q, mask], 1)
    other = replace(table, examples=replace(table.examples, grades=twisted))
    outside = ~np.isin(table.queries, table.queries[inside])
    for a, b in zip(climb(table, outside), climb(other, outside), strict=True):
        np.testing.assert_array_equal(
            a.probabilities(table.examples.legs), b.probabilities(table.examples.legs)
        )


def test_stacked_figures_are_of_the_step_that_others_chose():
    table = some_table(60, 7, 2, memory=True, levels=50)
    stacked = stack(table, 0.5, lambda: None)
    assert 0 <= stacked.step < LADDER
    assert isinstance(stacked.baseline, Fusion)
    assert stacked.baseline.seen is None
    dense = table.examples.legs.scores["dense"]
    np.testing.assert_array_equal(stacked.frozen["ndcg@10"], table.objective(dense))
    again = stack(table, 0.5, lambda: None)
    for name in ("frozen", "before", "after"):
        one, other = getattr(stacked, name), getattr(again, name)
        assert all((one[metric] == other[metric]).all() for metric in one)


def test_the_baseline_is_judged_out_of_fold_and_after_by_what_others_chose():
    table = some_table(60, 7, 2, memory=True, levels=50)
    stacked = stack(table, 0.5, lambda: None)
    ladder = np.zeros((LADDER, 60))
    for f in range(5):
        inside = table.fold == f
        ways = climb(
            table,
            ~np.isin(table.queries, table.queries[inside]),
            climb(table, everyone(table)),
        )
        for number, way in enumerate(ways):
            ladder[number, inside] = table.objective(way.probabilities(table.examples.legs))[inside]
    np.testing.assert_allclose(stacked.before["ndcg@10"], ladder[0])
    for f in range(5):
        inside = table.fold == f
        kept = ~np.isin(table.queries, table.queries[inside])
        step = choose(ladder[:, kept & table.is_seen], ladder[:, kept & ~table.is_seen], 0.5)
        np.testing.assert_allclose(stacked.after["ndcg@10"][inside], ladder[step, inside])


def test_a_ladder_may_be_climbed_from_a_shorter_one():
    table = some_table(40, 7, 0, memory=True)
    climb(table, everyone(table), climb(table, table.is_seen))


@pytest.mark.parametrize(
    ("seen", "unseen", "coverage", "expected"),
    [
        (0.1, 0.0, 0.5, True),
        (0.1, -TOLERANCE / 2, 0.5, True),
        (0.1, -TOLERANCE * 2, 0.5, False),  # what it costs unseen documents is no noise
        (0.1, 0.0, 0.0, False),  # nobody asks about seen documents
        (0.0, 0.1, 0.5, True),
        (-0.1, 0.1, 0.9, False),
    ],
)
def test_a_bolder_way_must_gain_and_leave_the_unseen_alone(seen, unseen, coverage, expected):
    table = some_table(40, 7, 0)
    plain = stack(table, coverage, lambda: None)
    bold = replace(plain, typical=plain.typical + np.where(table.is_seen, seen, unseen))
    taken, says = bolder(table, plain, bold, coverage)
    assert taken == expected
    assert (says == expected).all()


def test_ways_are_compared_over_all_steps_that_trust_stored_questions():
    table = some_table(40, 7, 0, memory=True)
    stacked = stack(table, 0.5, lambda: None)
    expected = np.zeros(40)
    final = climb(table, everyone(table))
    for fold in range(FOLDS):
        outside = ~np.isin(table.queries, table.queries[table.fold == fold])
        inside = table.fold == fold
        for way in climb(table, outside, final)[2:]:
            found = table.objective(way.probabilities(table.examples.legs))
            expected[inside] += found[inside] / len(SHIFTS)
    np.testing.assert_allclose(stacked.typical, expected)


def test_a_question_that_is_judged_twice_is_one():
    """Of the same values over half as many questions the error is larger by the root of two."""
    table, values = some_table(40, 7, 0), np.random.default_rng(0).normal(size=20)
    once = _mean_and_error(replace(table, queries=np.arange(20)), values, np.ones(20))
    both, twice = np.tile(values, 2), np.tile(np.arange(20), 2)
    again = _mean_and_error(replace(table, queries=twice), both, np.ones(40))
    apart = _mean_and_error(replace(table, queries=np.arange(40)), both, np.ones(40))
    np.testing.assert_allclose(again, once)
    np.testing.assert_allclose(apart[1], once[1] / np.sqrt(2))
    np.testing.assert_allclose(once[1], values.std() / np.sqrt(20))


def test_the_expert_without_memory_learns_what_memory_leaves():
    """Of seen documents those questions teach it that no stored question is like: words find
    them, and the vectors find the others."""
    rng = np.random.default_rng(0)
    shape = nq, c = 400, 8
    answer, like = rng.integers(c, size=nq), rng.random(nq) < 0.5
    legs = {name: rng.normal(size=shape).astype(np.float32) for name in ("dense", "words")}
    is_seen = np.arange(nq) < 200
    each, one = np.arange(nq), np.float32(2)
    legs["dense"][each, answer] += np.where(is_seen & ~like, 0, one)
    legs["words"][each, answer] += np.where(is_seen & ~like, 2 * one, 0)
    legs["memory"] = rng.uniform(0.2, 0.4, size=shape).astype(np.float32)
    legs["memory"][each[is_seen & like], answer[is_seen & like]] = 0.95
    csr = np.arange(nq + 1), answer.astype(np.int64), np.ones(nq, np.float32)
    found = Legs(np.tile(np.arange(c), (nq, 1)), legs)
    grades, column = _grades(found, csr)
    weights = np.ones(nq, np.float32)
    values = np.stack([legs["dense"], legs["words"]], axis=-1)
    examples = Examples(found, grades, weights)
    names = ("dense", "words")
    table = Table(each, each % 5, is_seen, weights, examples, names, values, csr, column)
    final = climb(table, np.ones(nq, dtype=bool))
    base = final[-1].seen.base
    alone = climb(table, ~(is_seen & ~like))[-1].seen.base
    assert base[1] > alone[1] + 0.1  # words count for more with the questions left over
    assert final[1].weights[1] > base[1] > 0  # and for less than where all teach alike


def test_whether_the_bolder_way_serves_a_fold_is_said_by_the_others():
    table = some_table(40, 7, 0)
    plain = stack(table, 0.5, lambda: None)
    gain = np.where(table.fold == 2, 0.4, 0.0)  # on one fold alone
    taken, says = bolder(table, plain, replace(plain, typical=plain.typical + gain), 0.5)
    assert taken
    assert (says == (table.fold != 2)).all()
