import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragtune.chunk_facts import Facts
from ragtune.filters import OPERATORS, condition
from ragtune.types import Pair

VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-2, 2), st.floats(-2, 2, allow_nan=False),
    st.sampled_from(["a", "b", ""]), st.lists(st.sampled_from(["a", 1, True]), max_size=2),
)  # fmt: skip
METADATA = st.dictionaries(st.sampled_from("xyz"), VALUES, max_size=3)
SCALARS = st.one_of(st.integers(-2, 2), st.sampled_from(["a", "b"]))
LEAVES = st.one_of(
    st.tuples(st.sampled_from(["$eq", "$ne", "$contains"]), VALUES),
    st.tuples(st.sampled_from(["$gt", "$gte", "$lt", "$lte"]), SCALARS),
    st.tuples(st.sampled_from(["$in", "$nin"]), st.lists(VALUES, max_size=3)),
    st.tuples(st.just("$exists"), st.booleans()),
).flatmap(lambda pair: st.sampled_from("xyz").map(lambda key: {key: {pair[0]: pair[1]}}))
FILTERS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: {"$and": parts}),
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: {"$or": parts}),
        inner.map(lambda part: {"$not": part}),
    ),
    max_leaves=6,
)


def kind(value):
    return (
        bool
        if isinstance(value, bool)
        else float
        if isinstance(value, int | float)
        else type(value)
    )


def equal(a, b):
    return kind(a) is kind(b) and a == b


def passes(metadata, filter_):
    """The same, a chunk at a time, as the documentation tells it."""
    [(key, value)] = filter_.items()
    if key in ("$and", "$or"):
        return (all if key == "$and" else any)(passes(metadata, part) for part in value)
    if key == "$not":
        return not passes(metadata, value)
    [(operator, operand)] = value.items()
    there, own = key in metadata, metadata.get(key)
    same = there and equal(own, operand)
    if operator == "$exists":
        return there == operand
    if operator in ("$eq", "$ne"):
        return same == (operator == "$eq")
    if operator in ("$in", "$nin"):
        return (there and any(equal(own, item) for item in operand)) == (operator == "$in")
    if operator == "$contains":
        return isinstance(own, list) and any(equal(item, operand) for item in own)
    compare = {"$gt": "__gt__", "$gte": "__ge__", "$lt": "__lt__", "$lte": "__le__"}[operator]
    if not there or kind(own) is not kind(operand) or isinstance(own, bool):
        return False
    if kind(own) is float:
        own, operand = float(own), float(operand)
    return getattr(own, compare)(operand)


@given(chunks=st.lists(METADATA, max_size=6), filter_=FILTERS)
@settings(max_examples=400, deadline=None)
def test_filter_agrees_with_asking_each_chunk(chunks, filter_):
    facts = Facts(dict(enumerate(chunks)), np.arange(len(chunks)))
    expected = [row for row, metadata in enumerate(chunks) if passes(metadata, filter_)]
    assert facts.passing(condition(filter_)).tolist() == expected


def test_several_keys_and_operators_must_all_hold():
    chunks = [{"year": year, "lang": lang} for year in (2023, 2024, 2025) for lang in ("de", "en")]
    facts = Facts(dict(enumerate(chunks)), np.arange(6))
    found = facts.passing(condition({"year": {"$gte": 2024, "$lt": 2025}, "lang": "en"}))
    assert found.tolist() == [3]
    assert facts.passing(condition({"year": {"$not": {"$gte": 2024}}})).tolist() == [0, 1]


@pytest.mark.parametrize(
    ("filter_", "error", "message"),
    [
        ({}, ValueError, "filter: expected a condition, got an empty mapping"),
        (["x"], TypeError, "filter: expected a mapping, got list"),
        ({"$xor": [{"a": 1}]}, ValueError, r"expected one of \$and, \$or, \$not, got \$xor"),
        ({"a": {"$like": "x"}}, ValueError, r"filter\['a'\]\['\$like'\]: expected one of \$eq"),
        ({"a": {}}, ValueError, "expected an operator, got an empty mapping"),
        ({"$or": {"a": 1}}, TypeError, "expected a list of filters"),
        ({"$and": []}, TypeError, "expected a list of filters"),
        ({"$and": [{"a": {"$in": "abc"}}]}, TypeError, r"filter\['\$and'\]\[0\]\['a'\]\['\$in'\]"),
        ({"a": {"$gt": [1]}}, TypeError, "expected a number or a string"),
        ({"a": {"$gt": True}}, TypeError, "expected a number or a string"),
        ({"a": {"$exists": 1}}, TypeError, "expected True or False"),
        ({"a": {"$not": 3}}, TypeError, "expected operators"),
        ({3: 4}, TypeError, "expected a key of type str, got int"),
    ],
)
def test_what_is_no_filter_is_refused_and_never_lets_everything_through(
    memory, filter_, error, message
):
    with pytest.raises(error, match=message):
        condition(filter_)
    with pytest.raises(error, match=message):
        memory.search("x", filter=filter_)  # even before anything was added


def test_every_operator_is_documented():
    import ragtune.filters

    told = ragtune.filters.__doc__
    assert {op for op in OPERATORS if op not in told} <= {"$gt", "$gte", "$lt", "$lte", "$in",
                                                          "$exists", "$eq"}  # fmt: skip


@pytest.fixture
def filled(memory):
    texts = [f"apple number{i}" for i in range(200)]
    memory.add(texts, ids=[f"c{i}" for i in range(200)],
               metadatas=[{"n": i, "even": i % 2 == 0} for i in range(200)])  # fmt: skip
    return memory


@pytest.mark.parametrize("matches", [0, 1, 3, 50])
@pytest.mark.parametrize("deep_memory", [False, True])
def test_there_are_k_hits_if_so_many_pass(filled, matches, deep_memory):
    hits = filled.search(
        "apple number7", k=10, filter={"n": {"$lt": matches}}, deep_memory=deep_memory
    )
    assert len(hits) == min(10, matches)
    assert all(hit.chunk.metadata["n"] < matches for hit in hits)


def test_a_filter_sees_what_was_added_changed_and_deleted(filled):
    def found():
        return {hit.id for hit in filled.search("apple", k=5, filter={"n": {"$gte": 198}})}

    assert found() == {"c198", "c199"}
    filled.delete(["c198"])
    filled.add(["apple"], ids=["new"], metadatas=[{"n": 500}])
    filled.add(["apple number3"], ids=["c3"], metadatas=[{"n": 300}])
    assert found() == {"c199", "new", "c3"}
    filled.purge()
    assert found() == {"c199", "new", "c3"}


def test_a_function_is_asked_of_every_chunk(filled):
    hits = filled.search("apple", k=5, filter=lambda chunk: chunk.id in ("c5", "c9"))
    assert {hit.id for hit in hits} == {"c5", "c9"}


def test_a_promoted_model_ranks_within_the_filter(memory):
    words = [f"w{i} v{i % 50}" for i in range(300)]
    memory.add(words, ids=[f"c{i}" for i in range(300)],
               metadatas=[{"half": i % 2} for i in range(300)])  # fmt: skip
    run = memory.tune([Pair(f"q{i} w{i}", f"c{i}") for i in range(200)])
    for asked in ("q4 w4", "nothing of the kind"):
        hits = memory.search(asked, k=20, filter={"half": 1}, deep_memory=True)
        assert len(hits) == 20
        assert all(hit.chunk.metadata["half"] == 1 for hit in hits)
    assert run.status == "completed"
