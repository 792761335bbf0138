import pytest
from conftest import fill

from ragtune.store import Item
from ragtune.types import Pair


@pytest.fixture
def chunks(memory):
    fill(memory)
    return memory


def items(count=10, split="train"):
    return [Item(f"question {i}", f"c{i}", split=split) for i in range(count)]


def kinds(dataset):
    return {problem["kind"]: problem["count"] for problem in dataset["problems"] or []}


def test_a_good_data_set_is_ready(chunks):
    test = [Item(f"other {i}", f"c{i}", split="test") for i in range(5)]
    dataset = chunks.datasets.import_("faq", items() + test)
    assert (dataset["status"], dataset["problems"]) == ("ready", [])
    assert dataset["counts"] == {"items": 15, "questions": 15, "train": 10, "test": 5}
    assert chunks.datasets.pairs(dataset["id"], "test")[0] == Pair("other 0", "c0")
    assert [d["name"] for d in chunks.datasets.list()] == ["faq"]


@pytest.mark.parametrize(
    ("more", "kind", "count"),
    [
        ([Item("question 1", "c1")], "duplicates", 1),
        ([Item("QUESTION  1", "c1")], "duplicates", 1),
        ([Item("q", "nowhere"), Item("r", "nowhere"), Item("s", "gone")], "dangling ids", 2),
        ([Item("  ", "c1"), Item("", "c2")], "empty questions", 2),
        ([Item("question 1", "c2", split="test")], "leakage", 1),
        ([Item(f"all {i}", "c1") for i in range(30)], "imbalance", 1),
    ],
)
def test_what_is_wrong_is_told_with_its_kind_and_examples(chunks, more, kind, count):
    dataset = chunks.datasets.import_("faq", items() + more)
    assert dataset["status"] == "error"
    assert kinds(dataset) == {kind: count}
    assert dataset["problems"][0]["examples"]
    with pytest.raises(ValueError, match="expected it ready, got error"):
        chunks.datasets.pairs(dataset["id"])


def test_empty_and_only_negative_data_sets_are_errors(chunks):
    assert kinds(chunks.datasets.import_("none", [])) == {"empty": 1}
    negative = [Item("q", "c1", -1.0)]
    assert "imbalance" in kinds(chunks.datasets.import_("negative", negative))


def test_a_data_set_is_validated_anew_when_chunks_have_changed(chunks):
    dataset = chunks.datasets.import_("faq", items())
    chunks.delete(["c3"])
    assert kinds(chunks.datasets.validate(dataset["id"])) == {"dangling ids": 1}
    chunks.datasets.delete(dataset["id"])
    assert chunks.datasets.list() == []
    with pytest.raises(ValueError, match="expected the id of one"):
        chunks.datasets.items(dataset["id"]) or chunks.datasets.get(dataset["id"])


@pytest.mark.parametrize(
    ("name", "item", "error", "message"),
    [
        (" ", Item("q", "c1"), ValueError, "name: expected one, got none"),
        ("x", Item("q", "c1", split="dev"), ValueError, "items.0.: expected a split among"),
        ("x", Item("q", "c1", float("nan")), ValueError, "expected a finite relevance"),
        ("x", ("q", "c1"), TypeError, "items.0.: expected Item, got tuple"),
    ],
)
def test_wrong_arguments_are_refused(chunks, name, item, error, message):
    with pytest.raises(error, match=message):
        chunks.datasets.import_(name, [item])
    assert chunks.datasets.list() == []


def test_a_name_is_given_once(chunks):
    chunks.datasets.import_("faq", items())
    with pytest.raises(ValueError, match="expected a new one, got 'faq'"):
        chunks.datasets.import_("faq", items())
