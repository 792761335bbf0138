"""`fit` and `rank` on data of odd shapes."""

import numpy as np
import pytest
from conftest import frozen_rows, planted, turned, worded

import ragtune
from ragtune.training_data import training_data


@pytest.mark.parametrize("strategy", ["auto", "ridge", "identity"])
def test_one_question_is_not_enough_to_judge(strategy):
    corpus, queries, qrels = turned(n=30, nq=1)
    with pytest.raises(ValueError, match="qrels: expected"):
        ragtune.fit(corpus, queries, qrels, strategy=strategy)


def test_one_chunk_is_held():
    model = ragtune.fit(np.ones((1, 4)), np.random.default_rng(0).normal(size=(5, 4)), [{0: 1}] * 5)
    assert model.report.verdict.decision == "hold"
    assert model.rank(np.ones(4), k=3)[1].tolist() == [[0, -1, -1]]


def test_two_questions_are_held():
    corpus, queries, qrels = turned(n=30, nq=2)
    assert ragtune.fit(corpus, queries, qrels).report.verdict.decision == "hold"


def test_one_document_cannot_be_judged_unseen():
    corpus, queries, qrels = turned()
    model = ragtune.fit(corpus, queries, qrels, groups=["same"] * len(corpus))
    for report in (model.report, model.adapter_report):
        assert report.unseen is None
        assert report.verdict.decision == "hold"
        assert "unseen ones can't be judged" in report.verdict.reason


def test_a_question_for_each_chunk_leaves_no_seen_slice():
    corpus, _, _ = turned(n=60)
    model = ragtune.fit(corpus, corpus + 0.1, [{row: 1} for row in range(60)])
    assert model.report.seen is None
    assert model.report.unseen.queries == 60


def test_questions_that_all_share_documents_train_on_nothing_when_unseen():
    corpus, queries, _ = turned(n=30, nq=6)
    chain = [{i: 1.0, (i + 1) % 6: 1.0} for i in range(6)]
    assert ragtune.fit(corpus, queries, chain).report.verdict.decision == "hold"


@pytest.mark.parametrize("coverage", [0.0, 1.0])
def test_all_traffic_may_be_seen_or_unseen(coverage):
    model = ragtune.fit(*turned(), coverage=coverage)
    part = model.report.seen if coverage else model.report.unseen
    assert model.report.overall["ndcg@10"].after == pytest.approx(part["ndcg@10"].after)


def test_queries_without_answers_are_left_out():
    corpus, queries, qrels = turned(n=100, nq=80)
    more = np.concatenate([queries, queries[:7]])
    empty = [{}, {3: 0.0}, {4: -1.0}, {}, {}, {}, {}]
    padded = ragtune.fit(corpus, more, [*qrels, *empty], strategy="ridge")
    assert padded.report == ragtune.fit(corpus, queries, qrels, strategy="ridge").report


def test_several_answers_and_grades_are_used():
    corpus, queries, qrels = planted()
    graded = [
        dict(g) | {(next(iter(g)) + 1) % 400: 0.5, (next(iter(g)) + 2) % 400: -1.0} for g in qrels
    ]
    training = training_data(corpus, queries, graded, None)
    assert len(training.pair_row) == 600  # the negative is no positive pair
    assert ragtune.fit(corpus, queries, graded).report.overall.queries > 0


@pytest.mark.parametrize("unit", [4.0, 0.125, 3.0])
def test_the_unit_of_grades_does_not_matter(unit):
    corpus, queries, qrels = turned(n=100, nq=100)
    scaled = [{row: unit * grade for row, grade in grades.items()} for grades in qrels]
    one, other = (ragtune.fit(corpus, queries, g) for g in (qrels, scaled))
    if unit == 3:  # nDCG itself is rounded otherwise in the last bit
        assert one.report.verdict == other.report.verdict
        assert one.report.hyperparameters == other.report.hyperparameters
    else:
        assert one.report == other.report
    np.testing.assert_array_equal(one.rank(queries)[1], other.rank(queries)[1])


def test_duplicated_chunks_are_one_document_and_rank_by_row():
    corpus, queries, qrels = turned(n=60, nq=100)
    doubled = np.concatenate([corpus, corpus])
    both = [{row: 1.0 for first in grades for row in (first, first + 60)} for grades in qrels]
    model = ragtune.fit(doubled, queries, both)
    rows = model.rank(queries, k=2)[1]
    np.testing.assert_array_equal(rows[:, 1], rows[:, 0] + 60)
    assert model.report.unseen.documents == len({row for grades in qrels for row in grades})


def test_empty_texts_and_texts_in_other_languages_do_no_harm():
    (corpus, queries, qrels), texts = worded(n=60, nq=50)
    chunks = ["", "日本語の文章です", "Grüße aus Köln", "\x00", "🙂🙂", *texts["texts"][5:]]
    asked = ["", "🙂", "日本語", *texts["queries"][3:]]
    model = ragtune.fit(corpus, queries, qrels, texts=chunks, queries=asked)
    scores, rows = model.rank(queries, asked, k=10)
    assert np.isfinite(scores).all()
    assert all(len(set(own)) == 10 for own in rows.tolist())


def test_texts_that_say_nothing_are_like_none():
    corpus, queries, qrels = turned(n=100, nq=100)
    silent = ragtune.fit(corpus, queries, qrels, texts=[""] * 100, queries=[""] * 100)
    deaf = ragtune.fit(corpus, queries, qrels)
    assert silent.report.overall["ndcg@10"].after == pytest.approx(
        deaf.report.overall["ndcg@10"].after, abs=0.02
    )


def test_without_query_texts_a_model_with_words_ranks_by_its_vectors():
    (corpus, queries, qrels), texts = worded(n=60, nq=50)
    model = ragtune.fit(corpus, queries, qrels, **texts)
    assert model.adapter_report.verdict.decision != "promote"
    np.testing.assert_array_equal(model.rank(queries)[1], frozen_rows(corpus, queries))


def test_parts_of_some_rows_only_and_of_none():
    corpus, queries, qrels = turned(n=100, nq=100)
    parts = corpus[[3, 3, 50]] + np.float32(0.1), [3, 3, 50]
    model = ragtune.fit(corpus, queries, qrels, parts=parts)
    assert {"part", "adapted_part"} <= set(model.report.hyperparameters["weights"])
    assert np.isfinite(model.rank(queries)[0]).all()
    nothing = ragtune.fit(corpus, queries, qrels, parts=(corpus[:0], []))
    assert nothing.rank(queries)[1].shape == (100, 10)


@pytest.mark.parametrize("k", [1, 40, 50, 100, 105])
def test_ranks_hold_every_chunk_once_best_first_and_padded(k):
    corpus, queries, qrels = turned(n=100, nq=100)
    model = ragtune.fit(corpus, queries, qrels)
    scores, rows = model.rank(queries[:20], k=k)
    assert scores.shape == rows.shape == (20, k)
    assert (np.diff(scores[:, :100], axis=1) <= 0).all()
    for own in rows:
        assert len(set(own[:100].tolist())) == min(k, 100)
    assert (rows[:, 100:] == -1).all()
    assert (rows[:, :100] >= 0).all()


@pytest.mark.parametrize(
    "k",
    [
        10,
        50,
        90,
    ],
)
def test_what_is_ranked_for_one_query_does_not_depend_on_the_others(k):
    (corpus, queries, qrels), texts = worded(n=150, nq=60)
    model = ragtune.fit(corpus, queries, qrels, **texts)
    asked = [*texts["queries"][:9], "", texts["queries"][0] + " word1 word2 word3 word4"]
    together = model.rank(queries[:11], asked, k=k)
    for q in range(11):
        alone = model.rank(queries[q], asked[q], k=k)
        np.testing.assert_array_equal(alone[1][0], together[1][q])
        np.testing.assert_allclose(alone[0][0], together[0][q], rtol=1e-5)


def test_ranks_are_padded_up_to_ten_thousand_columns():
    corpus, queries, qrels = turned(n=60, nq=60)
    model = ragtune.fit(corpus, queries, qrels, strategy="fusion")
    assert model.rank(queries[0], k=9_999)[1].shape == (1, 9_999)
    assert model.rank(queries[0], k=2**31 - 1)[1].shape == (1, 10_000)


def test_no_queries_rank_nothing():
    corpus, queries, qrels = turned(n=60, nq=60)
    model = ragtune.fit(corpus, queries, qrels)
    assert model.rank(queries[:0], k=3)[1].shape == (0, 3)
