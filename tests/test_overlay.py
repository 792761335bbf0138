"""Documents that move towards their questions: promoted only where the others do not pay."""

import numpy as np
import pytest
from conftest import frozen_rows, ndcg, remembered

import ragtune
from ragtune import overlay
from ragtune.training_data import training_data


def test_moved_documents_find_fresh_questions_about_them():
    corpus, queries, qrels = remembered(nq=600)
    data = training_data(corpus, queries[:400], qrels[:400])
    moved = overlay.learn(data, seed=0)
    assert moved.gamma > 0
    after = overlay.Overlay.over(moved, data.corpus)
    unit = queries[400:] / np.linalg.norm(queries[400:], axis=1, keepdims=True)
    rows = ragtune._core.exact_search(after, unit.astype(np.float32), k=10)[1]
    assert ndcg(rows, qrels[400:]) > ndcg(frozen_rows(corpus, queries[400:]), qrels[400:]) + 0.05


def test_only_documents_with_questions_move():
    corpus, queries, qrels = remembered(nq=200)
    data = training_data(corpus, queries, qrels)
    asked = {row for grades in qrels for row in grades}
    assert set(overlay.learn(data, seed=0).rows.tolist()) <= asked


def test_what_moves_documents_in_the_way_of_others_is_not_promoted():
    """The unseen half of the questions pays for the seen one."""
    corpus, queries, qrels = remembered(nq=400)
    model = ragtune.fit(corpus, queries, qrels, strategy="nudge")
    report = model.report
    assert report.strategy == "nudge"
    assert report.seen["ndcg@10"].difference > 0.05
    if report.unseen["ndcg@10"].difference < -0.003:
        assert report.verdict.decision != "promote"
        np.testing.assert_array_equal(model.rank(queries)[1], frozen_rows(corpus, queries))


def test_without_validation_nothing_moves():
    corpus, queries, qrels = remembered(nq=3)
    moved = overlay.learn(training_data(corpus, queries, qrels), seed=0)
    assert (len(moved.rows), moved.gamma) == (0, 0.0)


def test_largest_hub_counts_the_most_frequent_document():
    corpus = np.eye(30, dtype=np.float32)
    corpus[7] += 0.9
    queries = np.eye(30, dtype=np.float32)
    assert overlay.largest_hub(corpus / np.linalg.norm(corpus, axis=1)[:, None], queries) == 30


@pytest.mark.parametrize("threads", ["1", "2"])
def test_saved_and_loaded_it_is_the_same(tmp_path, monkeypatch, threads):
    monkeypatch.setenv("OMP_NUM_THREADS", threads)
    corpus, queries, qrels = remembered(nq=200)
    model = ragtune.fit(corpus, queries, qrels, strategy="nudge")
    model.save(tmp_path / "m")
    loaded = ragtune.load(tmp_path / "m")
    assert loaded.report == model.report
    np.testing.assert_array_equal(loaded.overlay.deltas, model.overlay.deltas)
    np.testing.assert_array_equal(loaded.rank(queries)[1], model.rank(queries)[1])
