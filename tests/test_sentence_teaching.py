"""Learners that take sentences of the corpus beside the questions."""

from dataclasses import replace

import numpy as np
import oracle
import pytest

import ragtune
from ragtune import _core, learners, strategies
from ragtune.learners import learners_of
from ragtune.learning import Options
from ragtune.strategies import contrastive
from ragtune.strategies.contrastive import BESIDE, Contrastive
from ragtune.strategies.kernel_ridge import SENTENCES, UNDER, KernelRidge
from ragtune.strategies.ridge import Ridge
from ragtune.training_data import training_data

FEW = {"penalty": 0.01, "temperature": 0.05, "learning_rate": 3e-3, "epochs": 3, "batch": 32}
FALLS = {"contrast": 0.6, "sharpness": 4.0, "penalty": 1.0}  # a kernel's


def noisy(n=200, nq=60, d=24, odd=8, seed=0):
    """Questions and sentences stray in some directions, which chunks do not tell apart.

    Returns corpus, questions, qrels, and the parts, three of each chunk.
    """
    rng = np.random.default_rng(seed)
    corpus = rng.normal(size=(n, d)).astype(np.float32)

    def astray(rows):
        stray = np.zeros((len(rows), d), np.float32)
        stray[:, :odd] = 2.5 * rng.normal(size=(len(rows), odd))
        return corpus[rows] + stray

    rows, owners = rng.integers(0, n, size=nq), np.repeat(np.arange(n), 3)
    qrels = [{int(row): 1.0} for row in rows]
    return corpus, astray(rows), qrels, (astray(owners), owners)


@pytest.fixture(scope="module")
def data():
    corpus, queries, qrels, parts = noisy()
    return training_data(corpus, queries, qrels, parts=parts)


def test_sentences_teach_what_few_questions_do_not(data):
    corpus, asked, qrels, _ = noisy(nq=600)
    tests = training_data(corpus, asked[100:], qrels[100:])

    def found(adapter):
        best = _core.exact_search(tests.corpus, adapter.apply(tests.queries), k=1)[1][:, 0]
        return float((best == tests.pair_row).mean())

    longer = FEW | {"epochs": 20}
    alone, both = (found(Contrastive().train(data, longer | {"sentences": s})) for s in (0, 6))
    frozen = found(_core.Adapter.identity(24))
    assert both > alone + 0.1
    assert both > frozen + 0.2


def test_they_are_pairs_like_others(data):
    """So many of them are asked beside the questions, each for its own chunk."""
    corpus, queries, pairs = contrastive._lessons(data, 2)
    count = len(data.queries)
    np.testing.assert_array_equal(corpus, data.corpus)
    np.testing.assert_array_equal(queries[:count], data.queries)
    unit = oracle.unit(data.parts[0])
    which = (queries[count:] @ unit.T).argmax(axis=1)
    assert len(np.unique(which)) == len(which) == 2 * count
    np.testing.assert_allclose(queries[count:], unit[which], atol=1e-6)
    np.testing.assert_array_equal(pairs[0], np.arange(3 * count + 1))
    np.testing.assert_array_equal(pairs[1], np.concatenate([data.pair_row, data.parts[1][which]]))
    by_hand = _core.train_contrastive(corpus, queries, *pairs, **FEW)
    own = Contrastive().train(data, FEW | {"sentences": 2})
    np.testing.assert_allclose(own.matrices()["m"], by_hand["matrices"]["m"], atol=1e-6)


def test_there_are_no_more_than_there_are(data):
    assert len(contrastive._lessons(data, 50)[1]) == len(data.queries) + len(data.parts[0])


def test_sentences_are_no_more_than_can_be_learned_of(data, monkeypatch):
    monkeypatch.setattr(contrastive, "SENTENCES_AT_MOST", 100)
    few, many = (contrastive._lessons(data, sentences)[1] for sentences in (1, 6))
    assert (len(few), len(many)) == (2 * len(data.queries), len(data.queries) + 100)


def test_a_large_corpus_is_sampled(data, monkeypatch):
    monkeypatch.setattr(contrastive, "AMONG_AT_LEAST", 150)
    whole = contrastive._lessons(data, 1)
    assert len(whole[0]) == 150 < len(data.corpus)
    monkeypatch.setattr(contrastive, "AMONG_AT_LEAST", 10)
    sample = contrastive._lessons(data, 1)
    assert len(sample[0]) == len(np.unique(sample[2][1])) < 150
    for corpus, _, (_, rows, _) in (whole, sample):
        np.testing.assert_array_equal(corpus[rows[:60]], data.corpus[data.pair_row])
        assert len(np.unique(corpus, axis=0)) == len(corpus)


def test_answers_dealt_anew_are_those_of_sentences_too(data):
    dealt = data.dealt_anew(np.random.default_rng(0))
    np.testing.assert_array_equal(np.sort(dealt.parts[1]), np.sort(data.parts[1]))
    assert (dealt.parts[1] != data.parts[1]).mean() > 0.9
    alone = training_data(*noisy()[:3]).dealt_anew(np.random.default_rng(0))
    np.testing.assert_array_equal(dealt.pair_row, alone.pair_row)


def test_the_matrix_below_a_kernel_is_half_ridge(data):
    under = KernelRidge().train(data, FALLS | {"sentences": 3}).matrices()["m"]
    own = Contrastive().train(data, UNDER | {"sentences": 3, "ridge_share": 0.0}).matrix()
    expected = (own + Ridge().train(data, BESIDE).matrix()) / 2 - np.eye(24)
    np.testing.assert_allclose(under, expected, atol=1e-6)


def test_a_kernel_learns_what_questions_lack_under_it(data):
    grid = {"sentences": (0, 3), "contrast": (0.6,), "sharpness": (4.0, 8.0), "penalty": (1.0,)}
    own = np.ascontiguousarray(data.queries[:20])
    found = KernelRidge().adapted(data, own, grid)
    for setting, moved in zip(strategies.settings(grid), found, strict=True):
        adapter = KernelRidge().train(data, setting)
        np.testing.assert_allclose(adapter.moved(own), moved, atol=1e-4)
        assert ("m" in adapter.matrices()) == bool(setting["sentences"])


def test_what_cannot_be_is_told():
    alone = training_data(*noisy()[:3])
    with pytest.raises(ValueError, match=r"'sentences'\]: expected 0 without parts, got 2"):
        Contrastive().train(alone, FEW | {"sentences": 2})
    corpus, queries, qrels, parts = noisy(n=40, nq=40)
    given = {"strategy": "kernel_ridge", "hyperparameters": {"sentences": 2}}
    with pytest.raises(ValueError, match=r"'sentences'\]: expected 0 without parts, got 2"):
        ragtune.fit(corpus, queries, qrels, **given)
    with pytest.raises(ValueError, match=r"parts\[1\]: expected rows in \[0, 40\), got 40"):
        ragtune.fit(corpus, queries, qrels, parts=(parts[0], parts[1] + 1), **given)


def test_a_kernel_over_a_matrix_is_promoted_and_kept(tmp_path):
    corpus, queries, qrels, parts = noisy(n=120, nq=150)
    given = {"strategy": "kernel_ridge", "hyperparameters": {"sentences": 3}}
    model = ragtune.fit(corpus, queries, qrels, parts=parts, **given)
    assert model.adapter_report.verdict.decision == "promote"
    assert model.adapter_report.hyperparameters["sentences"] == 3
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
    assert tried(data.only(np.arange(Contrastive.least))) == (0, SENTENCES)
    assert tried(data.only(np.arange(Contrastive.least - 1))) == (0,)
    assert tried(data, {"sentences": 0}) == (0,)
    ridge, kernel = learners_of("auto", data, {"sentences": (0, 3), "penalty": 2.0})
    assert (kernel.grid["sentences"], kernel.grid["penalty"]) == ((0, 3), (2.0,))
    assert ridge.grid["penalty"] == (2.0,)


def test_auto_knows_what_a_kernel_takes_also_where_there_are_too_many_questions(data, monkeypatch):
    monkeypatch.setattr(learners, "MOST_FOR_A_KERNEL", len(data.queries) - 1)
    (ridge,) = learners_of("auto", data, {"sentences": 0, "sharpness": 4.0, "penalty": 2.0})
    assert (ridge.strategy.name, ridge.grid["penalty"]) == ("ridge", (2.0,))
    with pytest.raises(ValueError, match=r"hyperparameters: expected among .*, got"):
        learners_of("auto", data, {"epochs": 3})


def test_a_memory_learns_of_them_only_if_told_to():
    assert Options().overrides == {"sentences": 0}
    assert Options(hyperparameters={"sentences": (0, 6)}).overrides == {"sentences": (0, 6)}
    assert Options("ridge", {"penalty": 3.0}).overrides == {"penalty": 3.0}
    assert Options().to_dict()["hyperparameters"] == {}


def test_auto_chooses_with_them_too():
    corpus, queries, qrels, parts = noisy(n=60, nq=80)
    steps = []
    told = ragtune.fit(corpus, queries, qrels, parts=parts, progress=lambda *s: steps.append(s))
    assert told.adapter_report.verdict.decision == "promote"
    assert steps[-1][0] == steps[-1][1]
    alone = ragtune.fit(corpus, queries, qrels, parts=parts, hyperparameters={"sentences": 0})
    reached, without = (model.adapter_report.overall["ndcg@10"].after for model in (told, alone))
    assert reached >= without - 0.0025  # it is another choice only where that is better
