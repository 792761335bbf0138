import json

import numpy as np
import oracle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragtune import Qrels, Run, _core, evaluate
from ragtune.evaluation import read_beir

FAMILIES = ["recall", "precision", "hit_rate", "mrr", "map", "ndcg"]

queries = st.lists(
    st.tuples(
        st.lists(st.integers(-1, 12), min_size=12, max_size=12),
        st.dictionaries(
            st.integers(0, 20), st.sampled_from([-1.0, 0.0, 1.0, 2.0, 3.0]), max_size=8
        ),
    ),
    min_size=1,
    max_size=6,
)


@pytest.mark.parametrize("family", FAMILIES)
@given(queries=queries, k=st.integers(1, 15))
@settings(deadline=None)
def test_agrees_with_oracle(family, queries, k):
    ids, grades = zip(*queries, strict=True)
    name = f"{family}@{k}"
    scores = evaluate(Run(np.array(ids)), Qrels(grades), [name])[name]
    expected = [oracle.metric(family, i, g, k) for i, g in queries]
    np.testing.assert_allclose(scores, expected, rtol=1e-12)


def test_perfect_ranking_scores_one():
    assert evaluate(Run([[7, 3, 5]]), Qrels([{7: 3.0, 3: 1.0}]), ["ndcg@3"])["ndcg@3"] == [1.0]


def test_query_without_relevant_documents_scores_zero():
    scores = evaluate(Run([[1, 2]]), Qrels([{}]), [f"{family}@2" for family in FAMILIES])
    assert all(value == [0.0] for value in scores.values())


def test_repeated_document_counts_once():
    assert evaluate(Run([[1, 1]]), Qrels([{1: 1.0, 2: 1.0}]), ["recall@2"])["recall@2"] == [0.5]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("f1@2", "metric: expected recall, precision, hit_rate, mrr, map or ndcg, got f1"),
        ("recall", "metric: expected a name and a depth"),
        ("recall@0", "metric: expected a name and a depth"),
        ("recall@1.5", "metric: expected a name and a depth"),
    ],
)
def test_rejects_metric(name, message):
    with pytest.raises(ValueError, match=message):
        evaluate(Run([[1, 2]]), Qrels([{1: 1.0}]), [name])


def test_rejects_different_number_of_queries():
    with pytest.raises(ValueError, match="qrels: expected 1 queries, got 2"):
        evaluate(Run([[1]]), Qrels([{}, {}]), ["recall@1"])


def test_core_never_converts():
    csr = Qrels([{1: 1.0}]).csr
    for ids in (np.zeros((1, 1), dtype=np.int32), np.zeros((1, 4), dtype=np.int64)[:, ::2]):
        with pytest.raises(TypeError, match="incompatible function arguments"):
            _core.evaluate_rankings(ids, *csr, metrics=[("recall", 1)])


@pytest.fixture
def beir(tmp_path):
    (tmp_path / "qrels").mkdir()
    records = [{"_id": "a", "title": "T", "text": "x"}, {"_id": "b", "text": "y"}]
    (tmp_path / "corpus.jsonl").write_text("\n".join(map(json.dumps, records)))
    (tmp_path / "queries.jsonl").write_text('{"_id": "1", "text": "?"}\n{"_id": "2", "text": "!"}')
    (tmp_path / "qrels/train.tsv").write_text("query-id\tcorpus-id\tscore\n2\tb\t1\n")
    return tmp_path


def test_reads_a_beir_folder(beir):
    data = read_beir(beir)
    assert (data.ids, data.texts, data.queries) == (["a", "b"], ["T x", "y"], ["?", "!"])
    assert data.train.grades == [{}, {1: 1.0}]
    assert data.test.grades == [{}, {}]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("2\tzz\t1", r"train\.tsv:3: unknown id 'zz'"),
        ("9\ta\t1", r"train\.tsv:3: unknown id '9'"),
        ("1\ta", r"train\.tsv:3: expected query-id, corpus-id and a number"),
        ("1\ta\tyes", r"train\.tsv:3: expected query-id, corpus-id and a number"),
    ],
)
def test_bad_judgment_names_file_and_line(beir, line, message):
    with (beir / "qrels/train.tsv").open("a") as file:
        file.write(line + "\n")
    with pytest.raises(ValueError, match=message):
        read_beir(beir)


def test_repeated_document_id_is_an_error(beir):
    with (beir / "corpus.jsonl").open("a") as file:
        file.write('\n{"_id": "a", "text": "again"}')
    with pytest.raises(ValueError, match=r"corpus\.jsonl: expected distinct ids, got 'a' twice"):
        read_beir(beir)


def test_folder_without_a_corpus_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"corpus\.jsonl: expected a BEIR folder"):
        read_beir(tmp_path)
