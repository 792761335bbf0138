"""Why a chunk stands where it stands: what is told must add up to what is served."""

from dataclasses import replace

import numpy as np
import oracle
import pytest
from conftest import remembered, turned, worded

import ragtune
from ragtune import strategies
from ragtune.adapters import Adapters
from ragtune.judged_table import Judging
from ragtune.strategies import kernel_ridge
from ragtune.training_data import training_data


@pytest.fixture(scope="module", params=["words", "stored questions"])
def case(request):
    if request.param == "words":
        (corpus, queries, qrels), texts = worded(n=150, nq=120)
        model = ragtune.fit(corpus, queries, qrels, **texts, strategy="fusion")
        return model, queries[0], texts["queries"][0]
    corpus, queries, qrels = remembered(nq=600, seed=1)
    return ragtune.fit(corpus, queries[:400], qrels[:400]), queries[500], None


def test_hits_are_those_that_the_learned_model_ranks(case):
    model, query, text = case
    told = model.explain(query, text, k=5)
    unit = (query / np.linalg.norm(query))[None].astype(np.float32)
    texts = None if text is None else [text]
    scores, rows = model.full.rank(model.sources, unit, texts, 5, learned=True)
    assert [hit.row for hit in told.hits] == rows[0].tolist()
    np.testing.assert_allclose([hit.score for hit in told.hits], scores[0], rtol=1e-4)
    assert [hit.rank for hit in told.hits] == [1, 2, 3, 4, 5]


def test_score_is_the_mixture_of_both_experts_by_trust(case):
    model, query, text = case
    told = model.explain(query, text)
    for hit in told.hits:
        mixed = (1 - told.trust) * hit.base + told.trust * (hit.seen or 0.0)
        assert hit.score == pytest.approx(mixed, rel=1e-4)


def test_legs_order_the_hits_as_the_base_expert_does(case):
    model, query, text = case
    hits = model.explain(query, text, k=20).hits
    by_sum = sorted(hits, key=lambda hit: -sum(hit.legs.values()))
    by_base = sorted(hits, key=lambda hit: -hit.base)
    assert [hit.row for hit in by_sum] == [hit.row for hit in by_base]


def test_rank_before_is_that_of_the_frozen_vectors(case):
    model, query, text = case
    unit = (query / np.linalg.norm(query))[None].astype(np.float32)
    order = model.sources.vectors.search(unit, 150)[1][0].tolist()
    for hit in model.explain(query, text).hits:
        assert hit.rank_before == (order.index(hit.row) + 1 if hit.row in order else None)


def test_tables_have_a_row_per_hit(case):
    model, query, text = case
    told = model.explain(query, text, k=4)
    assert str(told).count("\n") == 6
    assert told._repr_html_().count("<tr>") == 5


def test_what_cannot_be_explained_is_told(case):
    model, query, _ = case
    with pytest.raises(ValueError, match="query_embedding: expected one query, got 2"):
        model.explain(np.stack([query, query]), "text")
    if model.full.needs_texts:
        with pytest.raises(ValueError, match="query: expected the question's text"):
            model.explain(query)
    alone = ragtune.fit(*turned(n=40, nq=40), strategy="ridge")
    with pytest.raises(ValueError, match="model: expected a full model"):
        alone.explain(np.ones(16))


@pytest.mark.parametrize("linear", [None, 0.0, 0.2])
def test_pairs_add_up_to_what_the_adapter_moved(linear, monkeypatch):
    monkeypatch.setattr(kernel_ridge, "CENTRES", 90)
    corpus, queries, qrels = remembered(n=80, nq=120, d=16, near=1.0)
    data = training_data(corpus, queries, qrels)
    strategy = "ridge" if linear is None else "kernel_ridge"
    own = strategies.load(strategy)
    grid = {"contrast": (0.6,), "penalty": (1.0,), "alpha": (0.75,)}
    if linear is not None:
        grid |= {"linear": (linear,), "sharpness": (4.0,)}
    report = replace(
        ragtune.fit(corpus, queries, qrels, strategy="identity").report,
        strategy=strategy, hyperparameters={name: value for name, (value,) in grid.items()},
    )  # fmt: skip
    adapter = own.train(data, report.hyperparameters).shrunk(0.75)
    nothing = Judging(np.empty(0, np.int64), np.empty(0, np.int64), [], None)
    lesson = Adapters(adapter, report, nothing, nothing, (None, None)).lesson(data)
    unit = oracle.unit(queries[3]).astype(np.float32)
    moved = lesson.moved(unit, data.corpus[:5])
    assert moved.shape == (5, 120)
    adapted = lesson.adapted(unit)
    np.testing.assert_allclose(moved.sum(axis=1), data.corpus[:5] @ (adapted - unit), atol=1e-6)
    np.testing.assert_allclose(adapted, adapter.moved(unit[None])[0], atol=1e-5)


def test_the_strongest_pairs_are_named_and_survive_a_file(tmp_path):
    corpus, queries, qrels = turned(n=80, nq=120)
    model = ragtune.fit(corpus, queries, qrels)
    told = model.explain(queries[3]).hits[0]
    strengths = [abs(pair.moved) for pair in told.pairs]
    assert len(strengths) == 3
    assert strengths == sorted(strengths, reverse=True)
    model.save(tmp_path / "model")
    again = ragtune.load(tmp_path / "model").explain(queries[3]).hits[0]
    assert again.pairs == told.pairs
    assert again.base == pytest.approx(told.base)


def test_the_nearest_stored_question_of_a_hit_is_told():
    corpus, queries, qrels = remembered(nq=600, seed=1)
    model = ragtune.fit(corpus, queries[:400], qrels[:400])
    for hit in model.explain(queries[500]).hits:
        stored = [q for q in range(400) if hit.row in qrels[q]]
        if not stored:
            assert hit.asked_before is None
            continue
        unit = queries / np.linalg.norm(queries, axis=1, keepdims=True)
        assert hit.asked_before[1] == pytest.approx((unit[stored] @ unit[500]).max(), abs=1e-5)
