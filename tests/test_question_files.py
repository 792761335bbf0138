import json

import pytest

from ragtune.questions.files import read_csv, read_file


def written(path, content):
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


@pytest.fixture
def filled(memory):
    memory.add(["red apples", "green pears"], ids=["a", "b"])
    return memory


def pairs_of(memory):
    chunk = {row: id_ for id_, (row, _) in memory.store.chunks.rows_and_sources(["a", "b"]).items()}
    return {(p.question, chunk[p.chunk_row], p.relevance) for p in memory.store.pairs.living()}


DATA_SET = {
    "queries": {"q1": "what is red?", "q2": "what is green?"},
    "corpus": {"a": "red apples", "b": "green pears", "c": "blue plums"},
    "relevant_docs": {"q1": ["a"], "q2": ["b", "a"]},
    "mode": "text",
}


def beir(folder):
    folder.mkdir()
    (folder / "qrels").mkdir()
    rows = [{"_id": id_, "text": text} for id_, text in DATA_SET["corpus"].items()]
    asked = [{"_id": id_, "text": text} for id_, text in DATA_SET["queries"].items()]
    for name, lines in (("corpus", rows), ("queries", asked)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(x) + "\n" for x in lines))
    (folder / "qrels/train.tsv").write_text("query-id\tcorpus-id\tscore\nq1\ta\t1\nq2\tb\t2\n")
    return folder


def test_each_kind_of_file_becomes_pairs(filled, tmp_path):
    lines = '{"question": "what is red?", "chunk_id": "a"}\n'
    assert filled.questions.add(written(tmp_path / "q.jsonl", lines)).pairs == 1
    table = '\ufeffquestion,chunk_id,relevance\n"which, if any?",b,2\nwhich?,a,\n'
    assert filled.questions.add(written(tmp_path / "q.csv", table)).pairs == 2
    assert filled.questions.add(written(tmp_path / "q.json", DATA_SET)).pairs == 2
    assert filled.questions.add(beir(tmp_path / "beir")) == (0, 0, 0)  # known, but for a grade
    assert pairs_of(filled) == {
        ("what is red?", "a", 1), ("which, if any?", "b", 2), ("which?", "a", 1),
        ("what is green?", "b", 2), ("what is green?", "a", 1),
    }  # fmt: skip


def test_chunks_of_the_file_come_along_if_asked_for(memory, tmp_path):
    path = written(tmp_path / "q.json", DATA_SET)
    with pytest.raises(ValueError, match=r"q\.json: 2 of 2 chunk ids are not in the memory"):
        memory.questions.add(path)
    assert len(memory) == 0
    assert memory.questions.add(path, with_chunks=True) == (3, 3, 0)
    assert memory.ids() == ["a", "b", "c"]
    assert memory.questions.add(path, with_chunks=True) == (0, 0, 0)


def test_unknown_chunks_can_be_left_out(memory, tmp_path):
    memory.add(["red apples"], ids=["a"])
    path = written(tmp_path / "q.json", DATA_SET)
    assert memory.questions.add(path, skip_unknown=True) == (2, 0, 1)


BAD = {
    "a.jsonl": ('{"question": "x", "chunk_id": "a"}\n{"question": "y"}\n', r"a\.jsonl:2: expected"),
    "b.csv": ("question,id\nx,a\n", r"b\.csv:1: expected the columns .*, got no chunk_id"),
    "c.csv": ("question,chunk_id\nx,a\n ,b\n", r"c\.csv:3: question: expected text, got none"),
    "d.csv": ("question,chunk_id,relevance\nx,a,high\n", r"d\.csv:2: "),
    "e.csv": ("question,chunk_id\nx,\n", r"e\.csv:2: answers: expected"),
    "f.json": ("{", r"f\.json: expected JSON"),
    "g.json": ({"queries": {}}, r"g\.json: expected an object with corpus"),
    "h.json": (DATA_SET | {"relevant_docs": {"q9": ["a"]}}, "expected ids of queries, got 'q9'"),
    "i.json": (DATA_SET | {"relevant_docs": {"q1": ["z"]}}, "expected ids of the corpus, got 'z'"),
    "j.json": (DATA_SET | {"relevant_docs": {"q1": "a"}}, r"expected ids, got 'a'"),
    "k.json": (DATA_SET | {"queries": {"q1": 3, "q2": "x"}}, r"queries\['q1'\]: expected text"),
    "l.txt": ("x", r"l\.txt: expected \.jsonl, \.csv, \.json or a BEIR folder, got '\.txt'"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_told_with_its_line_and_keeps_nothing(filled, tmp_path, name):
    content, message = BAD[name]
    with pytest.raises(ValueError, match=message):
        filled.questions.add(written(tmp_path / name, content))
    assert filled.store.pairs.living() == []


def test_a_table_that_is_not_text_is_told(tmp_path):
    path = tmp_path / "q.csv"
    path.write_bytes(b"question,chunk_id\nx,a\n\xff\xfe,b\n")
    with pytest.raises(ValueError, match=r"q\.csv: expected UTF-8"):
        read_csv(path)


def test_nothing_at_the_path_is_told(tmp_path):
    with pytest.raises(FileNotFoundError, match="expected a file or a BEIR folder"):
        read_file(tmp_path / "none.csv")
