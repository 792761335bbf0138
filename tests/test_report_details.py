import numpy as np
import pytest
from conftest import turned, worded
from test_report import judged, report

import ragtune
from ragtune.report import Report, query_changes
from ragtune.report_details import CurvePoint, QueryChange, shared_words, what_more_would_bring


def some_changes():
    return tuple(
        QueryChange(q, "seen", 0.5, 0.5 + gain, f"what | is\n{q}?")
        for q, gain in enumerate([0.1, -0.3, 0.0, 0.4, -0.2])
    )


def with_details():
    whole = report(judged(0.1), judged(0.1, seed=1))
    curve = (
        CurvePoint(50, 0.01, -0.02, 0.04, "hold"),
        CurvePoint(100, 0.05, 0.01, 0.09, "promote"),
    )
    return Report(
        *(whole.seen, whole.unseen, whole.overall, 0.5, whole.verdict),
        queries=some_changes(), overlap=0.25, curve=curve,
    )  # fmt: skip


def test_fixed_and_broken_questions_come_with_the_largest_change_first():
    shown = with_details()
    assert [one.query for one in shown.fixed()] == [3, 0]
    assert [one.query for one in shown.broken(1)] == [1]


def test_details_survive_json():
    assert Report.from_json(with_details().to_json()) == with_details()


def test_details_are_shown_and_no_cell_breaks_a_table():
    shown = with_details()
    markdown = shown.to_markdown()
    assert "| what / is 3? | seen | 50 | 90 |" in markdown
    assert "From 50 to 100 questions the gain went from +1.0 to +5.0 points (+4.0)." in markdown
    assert "25 % of a question's words" in markdown
    assert shown._repr_html_().count("<details>") == 3


def test_questions_are_escaped_in_html():
    whole = report(judged(0.1), judged(0.1))
    bad = QueryChange(0, "seen", 0.0, 1.0, "<script>")
    shown = Report(whole.seen, whole.unseen, whole.overall, 0.5, whole.verdict, queries=(bad,))
    assert "<script>" not in shown._repr_html_()


def test_curve_of_one_point_says_nothing():
    assert what_more_would_bring([CurvePoint(5, 0.1, 0.0, 0.2, "hold")]) == ""


def test_every_judged_question_is_told_with_its_place_among_those_given():
    part = judged(0.1, n=4)
    asked, texts = np.array([10, 11, 13, 17]), ["a", "b", "c", "d"]
    changes = query_changes(None, part, asked, texts)
    assert [(one.query, one.text) for one in changes] == [
        (10, "a"),
        (11, "b"),
        (13, "c"),
        (17, "d"),
    ]
    assert changes[2].before == pytest.approx(part.before["ndcg@10"][2], abs=1e-6)


@pytest.mark.parametrize(
    ("question", "chunks", "expected"),
    [
        ("red kettles", ["a kettle is red"], 1.0),
        ("red kettles", ["a kettle", "red and blue"], 0.5),
        ("red kettles", ["nothing"], 0.0),
        ("the of", ["nothing"], 0.0),
    ],
)
def test_shared_words_are_stemmed_and_the_best_chunk_counts(question, chunks, expected):
    assert shared_words([question], [chunks], "english") == expected


def test_fit_tells_of_each_question_its_overlap_and_what_fewer_would_have_brought():
    arguments, texts = worded(n=120, nq=160)
    steps = []
    model = ragtune.fit(
        *arguments, **texts, learning_curve=True, progress=lambda *step: steps.append(step)
    )
    told = model.report
    assert {one.query for one in told.queries} == set(range(160))
    assert all(one.text == texts["queries"][one.query] for one in told.queries)
    assert told.overlap == 1.0
    assert [point.queries for point in told.curve] == sorted(point.queries for point in told.curve)
    assert [point.queries for point in told.curve][-1] == told.overall.queries
    assert told.curve[-1].difference == told.overall["ndcg@10"].difference
    assert steps[-1][0] == steps[-1][1]
    assert [done for done, _ in steps] == sorted(done for done, _ in steps)


def test_questions_without_an_answer_do_not_shift_the_numbers():
    corpus, queries, qrels = turned(n=60, nq=80)
    model = ragtune.fit(corpus, queries, [{}, *qrels[1:]])
    assert {one.query for one in model.report.queries} <= set(range(1, 80))
