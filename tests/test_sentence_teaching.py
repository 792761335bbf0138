"""A matrix that sentences of the corpus teach, and a kernel over it."""

from dataclasses import replace

import numpy as np
import oracle
import pytest

import ragtune
from ragtune import _core, inverse_cloze, learners, strategies
from ragtune.folds import document_folds, query_folds
from ragtune.inverse_cloze import TAUGHT, Sentences
from ragtune.learners import learners_of
from ragtune.strategies.kernel_ridge import LEAST, SENTENCES, KernelRidge
from ragtune.training_data import training_data

FALLS = {"contrast": 0.6, "sharpness": 4.0, "penalty": 1.0}  # a kernel's


def noisy(n=200, nq=60, d=24, odd=8, each=3, seed=0):
    """Questions and sentences stray in some directions, which chunks do not tell apart.

    Returns corpus, questions, qrels, and the parts, so many of each chunk.
    """
    rng = np.random.default_rng(seed)
    corpus = rng.normal(size=(n, d)).astype(np.float32)

    def astray(rows):
        stray = np.zeros((len(rows), d), np.float32)
        stray[:, :odd] = 2.5 * rng.normal(size=(len(rows), odd))
        return corpus[rows] + stray

    rows, owners = rng.integers(0, n, size=nq), np.repeat(np.arange(n), each)
    qrels = [{int(row): 1.0} for row in rows]
    return corpus, astray(rows), qrels, (astray(owners), owners)


@pytest.fixture(scope="module")
def data():
    corpus, queries, qrels, parts = noisy(each=10)
    return training_data(corpus, queries, qrels, parts=parts)


def pairs(sentences, chosen):
    """What the core is told of the chosen sentences."""
    vectors = np.ascontiguousarray(oracle.unit(sentences.vectors[chosen]).astype(np.float32))
    ends, ones = np.arange(len(chosen) + 1), np.ones(len(chosen), np.float32)
    return sentences.corpus, vectors, ends, sentences.rows[chosen], ones


def by_hand(sentences, chosen, **options):
    """InfoNCE of the chosen sentences, in that order, (d, d)."""
    result = _core.train_contrastive(*pairs(sentences, chosen), **TAUGHT | options)
    return result["matrices"]["m"]


def test_sentences_teach_what_few_questions_do_not(data):
    corpus, asked, qrels, _ = noisy(nq=600, each=10)
    tests = training_data(corpus, asked[100:], qrels[100:])

    def found(matrix):
        moved = oracle.unit(tests.queries + tests.queries @ matrix).astype(np.float32)
        best = _core.exact_search(tests.corpus, np.ascontiguousarray(moved), k=1)[1][:, 0]
        return float((best == tests.pair_row).mean())

    taught = found(data.parts.shift(SENTENCES))
    grid = {"penalty": 0.03, "temperature": 0.05, "learning_rate": 3e-3, "epochs": 20, "batch": 32}
    alone = strategies.load("contrastive").train(data, grid).matrix() - np.eye(24)
    assert taught > found(np.zeros((24, 24))) + 0.1
    assert taught > found(alone) + 0.1
    assert found(data.parts.dealt_anew.shift(SENTENCES)) < taught - 0.1


def test_each_asks_for_its_own_chunk(data):
    order = np.random.default_rng(0).permutation(len(data.parts.rows))
    np.testing.assert_allclose(data.parts.shift(300), by_hand(data.parts, order[:300]), atol=1e-5)
    np.testing.assert_allclose(data.parts.shift(9_999), by_hand(data.parts, order), atol=1e-5)


def test_they_are_learned_once_for_all_folds(data, monkeypatch):
    trained = []
    own = _core.train_contrastive
    monkeypatch.setattr(
        inverse_cloze._core, "train_contrastive",
        lambda *given, **more: trained.append(1) or own(*given, **more),
    )  # fmt: skip
    corpus, queries, qrels, parts = noisy(n=120, nq=80, each=20)
    ragtune.fit(corpus, queries, qrels, parts=parts, learning_curve=True)
    assert len(trained) == 2  # and once for the negative control
    some = data.only(np.arange(10))
    assert some.parts is data.parts
    random = np.random.default_rng
    assert some.dealt_anew(random(0)).parts is data.dealt_anew(random(1)).parts


def test_a_large_corpus_is_sampled(data, monkeypatch):
    sentences = replace(data.parts, _shifts={})
    order = np.random.default_rng(0).permutation(len(sentences.rows))[:20]
    own = np.unique(sentences.rows[order])
    for least in (150, 10):
        monkeypatch.setattr(inverse_cloze, "AMONG_AT_LEAST", least)
        rows = inverse_cloze._sample(sentences.rows[order], 200)
        assert len(rows) == len(np.unique(rows)) == max(least, len(own))
        assert np.isin(own, rows).all()
    places = Sentences(data.corpus[own], sentences.vectors, np.searchsorted(own, sentences.rows))
    np.testing.assert_allclose(sentences.shift(20), by_hand(places, order), atol=1e-5)


def test_what_is_dealt_anew_is_learned_too(data_dir):
    """Sentences move far for it; a control worse than chance would find fault with nothing."""
    vectors = (np.load(data_dir / "tatqa" / f"{x}.minilm.f16.npy") for x in ("corpus", "parts"))
    corpus, parts = (oracle.unit(own.astype(np.float32)).astype(np.float32) for own in vectors)
    rows = np.load(data_dir / "tatqa" / "parts.rows.npy").astype(np.int64)
    anew = Sentences(corpus, parts, rows).dealt_anew
    matrices = {"m": anew.shift(len(rows))}
    given = pairs(anew, np.arange(len(rows)))
    loss, _ = _core.contrastive_loss(*given, matrices, kind="linear", penalty=0.01)
    assert loss < 1.05 * np.log(len(corpus))


def test_answers_dealt_anew_are_those_of_sentences_too(data):
    dealt = data.dealt_anew(np.random.default_rng(0))
    np.testing.assert_array_equal(np.sort(dealt.parts.rows), np.sort(data.parts.rows))
    np.testing.assert_array_equal(dealt.parts.vectors, data.parts.vectors)
    assert (dealt.parts.rows != data.parts.rows).mean() > 0.9
    alone = replace(data, parts=None).dealt_anew(np.random.default_rng(0))
    np.testing.assert_array_equal(dealt.pair_row, alone.pair_row)
    assert alone.parts is None


def test_a_kernel_learns_what_questions_lack_under_the_matrix(data):
    grid = {"sentences": (0, 300), "contrast": (0.6,), "sharpness": (4.0, 8.0), "penalty": (1.0,)}
    own = np.ascontiguousarray(data.queries[:20])
    found = KernelRidge().adapted(data, own, grid)
    for setting, moved in zip(strategies.settings(grid), found, strict=True):
        adapter = KernelRidge().train(data, setting)
        np.testing.assert_allclose(adapter.moved(own), moved, atol=1e-4)
        assert ("m" in adapter.matrices()) == bool(setting["sentences"])
    under = KernelRidge().train(data, FALLS | {"sentences": 300}).matrices()["m"]
    np.testing.assert_array_equal(under, data.parts.shift(300))


def test_what_cannot_be_is_told(data):
    corpus, queries, qrels, parts = noisy(n=40, nq=40)
    given = {"strategy": "kernel_ridge", "hyperparameters": {"sentences": 2}}
    for none in (None, (parts[0][:0], parts[1][:0])):
        with pytest.raises(ValueError, match=r"'sentences'\]: expected 0 without parts, got 2"):
            ragtune.fit(corpus, queries, qrels, parts=none, **given)
    with pytest.raises(ValueError, match=r"parts\[1\]: expected rows in \[0, 40\), got 40"):
        ragtune.fit(corpus, queries, qrels, parts=(parts[0], parts[1] + 1), **given)
    with pytest.raises(ValueError, match=r"hyperparameters: expected among .* for contrastive"):
        learners_of("contrastive", data, {"sentences": 2})


def test_a_kernel_over_a_matrix_is_promoted_and_kept(tmp_path):
    corpus, queries, qrels, parts = noisy(n=120, nq=150)
    given = {"strategy": "kernel_ridge", "hyperparameters": {"sentences": 400}}
    model = ragtune.fit(corpus, queries, qrels, parts=parts, **given)
    assert model.adapter_report.verdict.decision == "promote"
    assert model.adapter_report.hyperparameters["sentences"] == 400
    model.save(tmp_path / "model")
    again = ragtune.load(tmp_path / "model")
    assert "m" in again.adapter.matrices()
    np.testing.assert_array_equal(again.transform(queries), model.transform(queries))


def test_auto_tries_them_where_there_are_sentences_and_questions_enough(data):
    def tried(data, given=None):
        ridge, kernel = learners_of("auto", data, given or {})
        assert "sentences" not in ridge.grid
        return kernel.grid["sentences"]

    assert tried(data) == (0, SENTENCES)
    assert tried(replace(data, parts=None)) == (0,)
    assert tried(data.only(np.arange(LEAST))) == (0, SENTENCES)
    assert tried(data.only(np.arange(LEAST - 1))) == (0,)
    assert tried(data, {"sentences": 0}) == (0,)
    ridge, kernel = learners_of("auto", data, {"sentences": (0, 300), "penalty": 2.0})
    assert (kernel.grid["sentences"], kernel.grid["penalty"]) == ((0, 300), (2.0,))
    assert ridge.grid["penalty"] == (2.0,)


def test_auto_knows_what_a_kernel_takes_also_where_there_are_too_many_questions(data, monkeypatch):
    monkeypatch.setattr(learners, "MOST_FOR_A_KERNEL", len(data.queries) - 1)
    (ridge,) = learners_of("auto", data, {"sentences": 0, "sharpness": 4.0, "penalty": 2.0})
    assert (ridge.strategy.name, ridge.grid["penalty"]) == ("ridge", (2.0,))
    with pytest.raises(ValueError, match=r"hyperparameters: expected among .*, got"):
        learners_of("auto", data, {"epochs": 3})


def test_only_some_of_what_was_tried_is_what_trying_that_alone_finds(data):
    grid = {"sentences": (0, 300), "sharpness": 4.0, "penalty": (1.0, 3.0), "alpha": (0.5, 1.0)}
    both = learners_of("auto", data, grid)
    alone = [learner.only("sentences", 0) for learner in both]
    folds = query_folds(data, 0), document_folds(data, 0)
    whole, apart = (learners.Tried.all(data, own, folds, lambda: None) for own in (both, alone))
    kept = whole.among(alone)
    assert kept.learners is alone
    for own, other in zip(kept.slices, apart.slices, strict=True):
        np.testing.assert_array_equal(own.ranks, other.ranks)
        np.testing.assert_array_equal(own.objective, other.objective)
        np.testing.assert_array_equal(own.adapted, other.adapted)
    assert apart.among(alone) is apart
    assert both[0].only("sentences", 0) is both[0]
    assert both[1].only("sentences", 7) is both[1]


def test_the_full_model_is_the_same_with_and_without_them():
    corpus, queries, qrels, parts = noisy(n=120, nq=80, each=20)
    steps = []
    told = ragtune.fit(corpus, queries, qrels, parts=parts, progress=lambda *s: steps.append(s))
    assert steps[-1][0] == steps[-1][1]
    assert told.adapter_report.hyperparameters["sentences"] == SENTENCES
    assert told.adapter_report.verdict.decision == "promote"
    alone = ragtune.fit(corpus, queries, qrels, parts=parts, hyperparameters={"sentences": 0})
    reached, without = (model.adapter_report.overall["ndcg@10"].after for model in (told, alone))
    assert reached > without
    assert told.full_report.to_json() == alone.full_report.to_json()
    np.testing.assert_array_equal(told.rank(queries)[1], alone.rank(queries)[1])
