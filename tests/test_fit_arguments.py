"""Wrong arguments, progress and interrupts of `fit` and `rank`."""

import numpy as np
import pytest
from conftest import turned

import ragtune


def told(**kwargs):
    calls = []
    ragtune.fit(**kwargs, progress=lambda done, total: calls.append((done, total)))
    assert [done for done, _ in calls] == list(range(1, len(calls) + 1))
    assert len({total for _, total in calls}) == 1
    return calls[-1]


def named(arrays):
    return dict(zip(("corpus_embeddings", "query_embeddings", "qrels"), arrays, strict=True))


@pytest.mark.parametrize(
    ("strategy", "nq"),
    [
        ("ridge", 60),
        ("identity", 60),
        ("auto", 60),
        ("fusion", 60),
        ("auto", 2),
    ],
)
def test_progress_ends_at_its_total(strategy, nq):
    done, total = told(**named(turned(n=50, nq=nq)), strategy=strategy)
    assert done == total


@pytest.mark.parametrize("at", [1, 5, 14])
@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_what_progress_raises_reaches_the_caller_and_leaves_nothing_behind(error, at, tmp_path):
    arrays = turned(n=60, nq=60)
    untouched = [x.tobytes() for x in arrays[:2]]
    before = ragtune.fit(*arrays)

    def stop(done, total):
        if done == at:
            raise error("enough")

    with pytest.raises(error, match="enough"):
        ragtune.fit(*arrays, progress=stop)
    assert [x.tobytes() for x in arrays[:2]] == untouched
    assert ragtune.fit(*arrays).report == before.report
    assert not list(tmp_path.iterdir())


def wrong(**change):
    corpus, queries, qrels = turned(n=20, nq=10)
    ragtune.fit(**(named((corpus, queries, qrels)) | change))


WORDS = {"texts": ["a"] * 20, "queries": ["b"] * 10}
X = np.zeros((20, 16))


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"texts": ["a"] * 20}, ValueError, "texts: expected together with queries, got one"),
        ({"queries": ["a"] * 10}, ValueError, "texts: expected together with queries, got one"),
        (WORDS | {"texts": ["a"]}, ValueError, "texts: expected 20 values, got 1"),
        (WORDS | {"queries": ["a"]}, ValueError, "queries: expected 10 values, got 1"),
        (WORDS | {"texts": "a" * 20}, TypeError, "texts: expected a sequence of str, got str"),
        (WORDS | {"texts": [1] * 20}, TypeError, r"texts\[0\]: expected str, got int"),
        ({"groups": [1, 2]}, ValueError, "groups: expected 20 labels, got 2"),
        ({"coverage": 1.5}, ValueError, r"coverage: expected in \[0, 1\], got 1.5"),
        ({"coverage": float("nan")}, ValueError, r"coverage: expected in \[0, 1\], got nan"),
        ({"coverage": "1"}, TypeError, "coverage: expected a number, got str"),
        ({"seed": -1}, ValueError, r"seed: expected in \[0, .*, got -1"),
        ({"seed": 0.5}, TypeError, "seed: expected an integer, got float"),
        ({"qrels": [{0: 1.0}]}, ValueError, "qrels: expected 10 mappings, got 1"),
        ({"qrels": [{}] * 10}, ValueError, "qrels: expected at least one query with a relevant"),
        (
            {"qrels": [{20: 1.0}] * 10},
            ValueError,
            r"qrels\[0\]: expected rows in \[0, 20\), got 20",
        ),
        (
            {"qrels": [{0: np.nan}] * 10},
            ValueError,
            r"qrels\[0\]: expected a finite grade, got nan",
        ),
        ({"qrels": [[0]] * 10}, TypeError, r"qrels\[0\]: expected a mapping, got list"),
        ({"qrels": [{"0": 1.0}] * 10}, TypeError, r"qrels\[0\]: expected an integer, got str"),
        ({"query_embeddings": X[:10, :3]}, ValueError, "query_embeddings: expected 16 dimensions"),
        ({"corpus_embeddings": X * np.nan}, ValueError, "corpus_embeddings: expected finite"),
        ({"corpus_embeddings": X[0]}, ValueError, r"corpus_embeddings: expected shape \(n, d\)"),
        ({"parts": X}, ValueError, r"parts: expected \(embeddings, rows\), got 20 values"),
        (
            {"parts": (X[:2], [0, 20])},
            ValueError,
            r"parts\[1\]: expected rows in \[0, 20\), got 20",
        ),
        (
            {"parts": (X[:2], [-1, 0])},
            ValueError,
            r"parts\[1\]: expected rows in \[0, 20\), got -1",
        ),
        ({"parts": (X[:2], [0])}, ValueError, r"parts\[1\]: expected shape \(2,\), got \(1,\)"),
        ({"parts": (X[:2], [0.5, 1])}, TypeError, r"parts\[1\]: expected integers, got float64"),
        ({"parts": (X[:2, :4], [0, 1])}, ValueError, r"parts\[0\]: expected 16 dimensions, got 4"),
    ],
)
def test_wrong_arguments_are_told(change, error, message):
    with pytest.raises(error, match=message):
        wrong(**change)


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"qrels": [{0: None}] * 10}, r"qrels\[0\]"),
        ({"qrels": [{0: "1"}] * 10}, r"qrels\[0\]"),
        ({"qrels": 5}, "qrels:"),
        ({"strategy": ["ridge"]}, "strategy:"),
        ({"hyperparameters": ["penalty"]}, "hyperparameters:"),
        ({"progress": 3}, "progress:"),
    ],
)
def test_wrong_arguments_are_named(change, name):
    with pytest.raises((TypeError, ValueError), match=name):
        wrong(**change)


@pytest.fixture(scope="module")
def model():
    return ragtune.fit(*turned(n=60, nq=60))


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((np.ones(3),), ValueError, "query_embeddings: expected 16 dimensions, got 3"),
        ((np.ones(16), None, 0), ValueError, r"k: expected in \[1, .*, got 0"),
        ((np.ones(16), None, 1.5), TypeError, "k: expected an integer, got float"),
        ((np.ones(16), 5), TypeError, "queries: expected texts, got a number"),
        ((np.ones((2, 16)), ["a"]), ValueError, "queries: expected 2 values, got 1"),
        ((np.ones(16), [5]), TypeError, r"queries\[0\]: expected str, got int"),
        ((np.full(16, np.inf),), ValueError, "query_embeddings: expected finite values"),
    ],
)
def test_wrong_arguments_of_rank_are_told(model, arguments, error, message):
    with pytest.raises(error, match=message):
        model.rank(*arguments)
