import json
import re

import numpy as np
import pytest

from ragtune.gate import judge
from ragtune.report import Change, Judged, Report, Slice, Verdict, compare

METRICS = ("recall@1", "recall@10", "ndcg@10")


def judged(gain, n=200, seed=0, first_id=0):
    rng = np.random.default_rng(seed)
    before = {metric: rng.uniform(0.2, 0.6, size=n) for metric in METRICS}
    after = {m: values + gain + rng.normal(0, 0.05, size=n) for m, values in before.items()}
    return Judged(before, after, np.arange(n) // 2, np.arange(n) + first_id)


def report(seen=None, unseen=None, coverage=0.5):
    slices = compare(seen, unseen, coverage=coverage)
    return Report(*slices, coverage=coverage, verdict=judge(slices[2], slices[1], slices[2]))


def test_overall_weighs_the_slices_by_coverage():
    whole = report(judged(0.2), judged(0.0, seed=1), coverage=0.25)
    expected = [0.25 * s + 0.75 * u for s, u in zip(
        *([part["ndcg@10"].before, part["ndcg@10"].after] for part in (whole.seen, whole.unseen)),
        strict=True)]  # fmt: skip
    assert [whole.overall["ndcg@10"].before, whole.overall["ndcg@10"].after] == pytest.approx(
        expected
    )
    assert whole.overall.queries == 200  # each is judged twice, and is one query all the same
    assert report(judged(0.2), judged(0.0, first_id=200)).overall.queries == 400


def test_better_and_worse_are_counted():
    change = report(None, judged(0.02)).unseen["ndcg@10"]
    assert change.better + change.worse == 200
    assert change.better > change.worse


def test_empty_slice_is_none():
    only = report(None, judged(0.1))
    assert only.seen is None
    assert list(only.slices) == ["unseen", "overall"]
    with pytest.raises(ValueError, match="expected at least one query"):
        compare(None, None)


def test_json_comes_back_whole():
    whole = report(judged(0.1), judged(0.1, seed=1))
    assert Report.from_json(whole.to_json()) == whole
    assert Report.from_json(report(None, judged(0.1)).to_json()).seen is None


@pytest.mark.parametrize("text", ["{}", "[]", '{"seen": 3}', "no json"])
def test_other_json_is_not_a_report(text):
    with pytest.raises(ValueError, match=r"report: expected|Expecting value"):
        Report.from_json(text)


def test_shows_itself_as_markdown_html_and_rows():
    whole = report(judged(0.1), judged(0.1, seed=1))
    assert "| seen (200) | ndcg@10 |" in str(whole)
    assert "**promote**" in whole.to_markdown()
    assert whole._repr_html_().count("<tr>") == 1 + 3 * len(METRICS)
    assert json.dumps(whole.rows())
    assert len(whole.rows()) == 3 * len(METRICS)


def test_html_escapes_what_it_shows():
    whole = report(judged(0.1), judged(0.1))
    shown = Report(whole.seen, whole.unseen, whole.overall, 0.5, Verdict("hold", "<script>"))
    assert "<script>" not in shown._repr_html_()


def test_plots(tmp_path):
    pytest.importorskip("matplotlib").use("Agg")
    report(judged(0.1), judged(0.1, seed=1)).plot().savefig(tmp_path / "report.png")
    assert (tmp_path / "report.png").stat().st_size > 10_000


def change(difference, lower, upper, better=50, worse=20):
    return Change(0.5, 0.5 + difference, lower, upper, 0.01, better, worse)


def slice_of(ndcg, recall_1=0.01, recall_10=0.01):
    guard = [change(r, r - 0.1, r + 0.1) for r in (recall_1, recall_10)]
    return Slice(100, 50, {"recall@1": guard[0], "recall@10": guard[1], "ndcg@10": ndcg})


UP, DOWN = slice_of(change(0.03, 0.01, 0.05)), slice_of(change(-0.03, -0.05, -0.01))


@pytest.mark.parametrize(
    ("overall", "unseen", "control", "decision", "reason"),
    [
        (UP, UP, UP, "promote", r"\+3\.0 points, 95 % interval \[\+1\.0, \+5\.0\]"),
        (DOWN, DOWN, UP, "refuse", "worse than before"),
        (
            slice_of(Change(0.01, 0.04, 0.02, 0.04, 0.01, 9, 1)),
            UP,
            UP,
            "hold",
            r"but at 4\.0 in all: are the answers those of the questions\?",
        ),
        (slice_of(change(0.03, -0.01, 0.07)), UP, UP, "hold", "not yet certain"),
        (slice_of(change(0.03, 0.01, 0.05), recall_1=-0.01), UP, UP, "hold", "but recall@1 fell"),
        (
            slice_of(change(0.03, 0.01, 0.05), -0.01, -0.01),
            UP,
            UP,
            "hold",
            "recall@1 and recall@10",
        ),
        (UP, DOWN, UP, "hold", "on unseen documents"),
        (UP, None, UP, "hold", "unseen ones can't be judged"),
        (slice_of(change(0.0, 0.0, 0.0, 0, 0)), UP, UP, "hold", "nothing learned"),
        (UP, UP, slice_of(change(0.01, -0.01, 0.03)), "hold", "shuffled answers teach nearly"),
    ],
)
def test_verdict(overall, unseen, control, decision, reason):
    verdict = judge(overall, unseen, control)
    assert verdict.decision == decision
    assert re.search(reason, verdict.reason)


def test_hold_tells_how_many_queries_would_decide():
    """Half the interval is 4/3 of the gain: (4/3)^2 as many queries bring its end to 0."""
    assert judge(slice_of(change(0.03, -0.01, 0.07)), UP, UP).queries_needed == 178
    assert judge(slice_of(change(-0.01, -0.05, 0.03)), UP, UP).queries_needed is None
