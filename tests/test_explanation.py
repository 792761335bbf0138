"""Why a chunk stands where it stands: what is told must add up to what is served."""

import numpy as np
import pytest
from conftest import remembered, turned, worded

import ragtune


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
