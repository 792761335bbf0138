import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragtune import _core

texts = st.text(max_size=40)


def read(path, **fields):
    return _core.read_jsonl(str(path), **({"required": ["_id", "text"]} | fields))


@given(
    records=st.lists(
        st.fixed_dictionaries(
            {"_id": texts, "text": texts},
            optional={"title": texts, "metadata": st.dictionaries(texts, st.integers() | texts)},
        ),
        max_size=30,
    ),
    ascii_only=st.booleans(),
    newline=st.sampled_from(["\n", "\r\n", "\n\n"]),
)
@settings(max_examples=60, deadline=None)
def test_agrees_with_json(tmp_path_factory, records, ascii_only, newline):
    small = -(2**63), 2**63
    for record in records:
        values = record.get("metadata", {}).items()
        kept = {k: v for k, v in values if isinstance(v, str) or small[0] <= v < small[1]}
        if "metadata" in record:
            record["metadata"] = kept
    path = tmp_path_factory.mktemp("jsonl") / "records.jsonl"
    lines = newline.join(json.dumps(record, ensure_ascii=ascii_only) for record in records)
    path.write_bytes(lines.encode("utf-8", "surrogatepass"))
    ids, bodies, titles, metadata = read(path, optional=["title"], raw=["metadata"])
    assert ids == [record["_id"] for record in records]
    assert bodies == [record["text"] for record in records]
    assert titles == [record.get("title") for record in records]
    assert [m and json.loads(m) for m in metadata] == [r.get("metadata") for r in records]


def write(tmp_path, text):
    path = tmp_path / "corpus.jsonl"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


GOOD = '{"_id": "a", "text": "x"}\n'


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"_id": "b", "text": "x"', "JSON"),
        ("[1, 2]", "expected an object, got an array"),
        ("7", "expected an object, got a number"),
        ('{"text": "x"}', 'missing "_id"'),
        ('{"_id": 3, "text": "x"}', '"_id": expected a string, got a number'),
        ('{"_id": "b", "text": null}', '"text": expected a string, got null'),
        ('{"_id": "b", "text": {}}', '"text": expected a string, got an object'),
        ('{"_id": "b", "text": "x"} trailing', "JSON"),
        (b'{"_id": "b", "text": "\xff"}', "UTF-8"),
        ('{"_id": "b", "text": "a\tb"}', "must be escaped"),
    ],
)
def test_bad_line_names_file_line_and_reason(tmp_path, line, reason):
    line = line if isinstance(line, bytes) else line.encode()
    path = write(tmp_path, GOOD.encode() * 2 + b"\n" + line + b"\n" + GOOD.encode())
    with pytest.raises(ValueError, match=rf"corpus\.jsonl:4: .*{reason}"):
        read(path)


def test_first_bad_line_is_named_wherever_the_file_is_cut_into_parts(tmp_path):
    lines = [GOOD] * 60_000  # several parts of half a megabyte
    lines[45_000] = lines[59_999] = "{}\n"
    with pytest.raises(ValueError, match=r":45001: missing"):
        read(write(tmp_path, "".join(lines)))


def test_large_file_keeps_its_order(tmp_path):
    path = write(tmp_path, "".join(f'{{"_id": "{i}", "text": "{i * i}"}}\n' for i in range(50_000)))
    ids, bodies = read(path)
    assert ids == [str(i) for i in range(50_000)]
    assert bodies[49_999] == str(49_999**2)


def test_byte_order_mark_and_missing_last_newline_are_fine(tmp_path):
    assert read(write(tmp_path, "\ufeff" + GOOD + GOOD.strip())) == [["a", "a"], ["x", "x"]]


@pytest.mark.parametrize("text", ["", "\n\n", "  \n"])
def test_empty_file_has_no_records(tmp_path, text):
    assert read(write(tmp_path, text)) == [[], []]


def test_last_of_a_repeated_key_counts(tmp_path):
    assert read(write(tmp_path, '{"_id": "a", "text": "x", "_id": "b"}'))[0] == ["b"]


def test_missing_file_names_its_path(tmp_path):
    with pytest.raises(RuntimeError, match=r"none\.jsonl: No such file"):
        read(tmp_path / "none.jsonl")


def test_folder_is_not_a_file(tmp_path):
    with pytest.raises(RuntimeError, match="cannot be read"):
        read(tmp_path)
