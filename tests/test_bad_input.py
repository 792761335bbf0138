"""Wrong arguments: the error names the argument, what was expected and what came."""

import numpy as np
import pytest

import ragtune
from ragtune import Pair

NAN = np.array([[1.0, 2.0], [3.0, np.nan]])
INF = np.array([[np.inf, 1.0], [1.0, 1.0]])
GOOD = np.eye(2)
HUGE = np.array([[1e300, 1.0], [1.0, 1.0]])


def index(metric="cosine", kind="flat"):
    made = ragtune.Index(2, metric=metric, kind=kind)
    made.add(GOOD)
    return made


ARRAYS = [
    ("x", lambda x: index().add(x)),
    ("q", lambda x: index().search(x, 1)),
    ("q", lambda x: index(kind="hnsw").search(x, 1)),
    ("corpus_embeddings", lambda x: ragtune.fit(x, GOOD, [{0: 1.0}, {1: 1.0}])),
    ("query_embeddings", lambda x: ragtune.fit(GOOD, x, [{0: 1.0}, {1: 1.0}])),
]
BAD_ARRAYS = [
    (NAN, ValueError, "expected finite values, got nan in row 1, column 1"),
    (INF, ValueError, "expected finite values, got inf in row 0, column 0"),
    (HUGE, ValueError, "expected finite values, got inf in row 0, column 0"),
    (np.zeros((2, 2, 2)), ValueError, r"expected shape \(n, d\), got \(2, 2, 2\)"),
    (np.zeros((2, 0)), ValueError, "expected 1 to 65536 dimensions, got 0"),
    (np.zeros((2, 2), dtype=bool), TypeError, "expected real numbers, got bool"),
    (np.zeros((2, 2), dtype=complex), TypeError, "expected real numbers, got complex128"),
    (np.array([["a", "b"]]), TypeError, "expected real numbers, got <U1"),
    ([[1.0, 2.0], [3.0]], ValueError, "expected rows of equal length"),
    (None, TypeError, "expected real numbers, got object"),
]


@pytest.mark.parametrize(("name", "call"), ARRAYS)
@pytest.mark.parametrize(("value", "error", "message"), BAD_ARRAYS)
def test_arrays(name, call, value, error, message):
    with pytest.raises(error, match=f"{name}: {message}"):
        call(value)


@pytest.mark.parametrize(("name", "call"), ARRAYS[:3] + ARRAYS[4:])
def test_another_dimension(name, call):
    with pytest.raises(ValueError, match=f"{name}: expected 2 dimensions, got 3"):
        call(np.ones((2, 3)))


@pytest.mark.parametrize("search", ["index", "memory", "model"])
@pytest.mark.parametrize(
    ("k", "error", "message"),
    [
        (0, ValueError, r"k: expected in \[1, 2147483647\], got 0"),
        (-1, ValueError, r"k: expected in \[1, 2147483647\], got -1"),
        (2**31, ValueError, r"k: expected in \[1, 2147483647\], got 2147483648"),
        (1.5, TypeError, "k: expected an integer, got float"),
        ("3", TypeError, "k: expected an integer, got str"),
        (True, TypeError, "k: expected an integer, got bool"),
        (None, TypeError, "k: expected an integer, got NoneType"),
    ],
)
def test_k(search, k, error, message, memory):
    memory.add(["a b"])
    model = ragtune.fit(GOOD, GOOD, [{0: 1.0}, {1: 1.0}])
    calls = {
        "index": lambda: index().search(GOOD, k),
        "memory": lambda: memory.search("a", k=k),
        "model": lambda: model.rank(GOOD, k=k),
    }
    with pytest.raises(error, match=message):
        calls[search]()


def fit(**change):
    arguments = {"corpus_embeddings": GOOD, "query_embeddings": GOOD, "qrels": [{0: 1.0}, {1: 1.0}]}
    return ragtune.fit(**(arguments | change))


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"qrels": [{0: 1.0}]}, ValueError, "qrels: expected 2 mappings, got 1"),
        (
            {"qrels": [{0: 1.0}, {2: 1.0}]},
            ValueError,
            r"qrels\[1\]: expected rows in \[0, 2\), got 2",
        ),
        (
            {"qrels": [{0: 1.0}, {-1: 1.0}]},
            ValueError,
            r"qrels\[1\]: expected rows in \[0, 2\), got -1",
        ),
        ({"qrels": [{0: 1.0}, {"1": 1.0}]}, TypeError, r"qrels\[1\]: expected an integer, got str"),
        ({"qrels": [{0: 1.0}, [1]]}, TypeError, r"qrels\[1\]: expected a mapping, got list"),
        ({"qrels": [{0: 1.0}, {1: np.nan}]}, ValueError, r"qrels\[1\]: expected a finite grade"),
        ({"qrels": [{}, {}]}, ValueError, "expected at least one query with a relevant row"),
        (
            {"qrels": [{0: 0.0}, {1: -1.0}]},
            ValueError,
            "expected at least one query with a relevant",
        ),
        ({"groups": ["a"]}, ValueError, "groups: expected 2 labels, got 1"),
        (
            {"strategy": "magic"},
            ValueError,
            "strategy: expected one of auto, fusion, nudge, identity, ridge",
        ),
        (
            {"hyperparameters": {"lambda": 1}},
            ValueError,
            "hyperparameters: expected among \\[.alpha., .contrast., .linear., .penalty., "
            ".sentences., .sharpness.\\] for auto, got",
        ),
        ({"hyperparameters": {"penalty": -1}}, ValueError, "'penalty'.*expected numbers above 0"),
        (
            {"hyperparameters": {"alpha": [0.5, np.nan]}},
            ValueError,
            "'alpha'.*expected numbers above 0",
        ),
        ({"coverage": 1.5}, ValueError, r"coverage: expected in \[0, 1\], got 1.5"),
        ({"coverage": "half"}, TypeError, "coverage: expected a number, got str"),
        ({"seed": -1}, ValueError, "seed: expected in"),
    ],
)
def test_fit(change, error, message):
    with pytest.raises(error, match=message):
        fit(**change)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda m: m.add("text"), TypeError, "texts: expected a sequence of str, got str"),
        (lambda m: m.add(["x", 3]), TypeError, r"texts\[1\]: expected str, got int"),
        (lambda m: m.add(["x", "y"], ids=["a"]), ValueError, "ids: expected 2 values, got 1"),
        (lambda m: m.add(["x", "y"], ids=["a", "a"]), ValueError, r"ids\[1\]: expected distinct"),
        (lambda m: m.add(["x"], ids=[""]), ValueError, r"ids\[0\]: expected a name, got an empty"),
        (lambda m: m.add(["x"], ids=[7]), TypeError, r"ids\[0\]: expected str, got int"),
        (lambda m: m.add(["x"], metadatas=[{}, {}]), ValueError, "metadatas: expected 1 mappings"),
        (lambda m: m.add(["x"], metadatas=["y"]), TypeError, r"metadatas\[0\]: expected a mapping"),
        (lambda m: m.add(["x"], metadatas=[{"a": {1, 2}}]), TypeError, r"metadatas\[0\]: expected"),
        (
            lambda m: m.add(["x"], sources=["s", "t"]),
            ValueError,
            "sources: expected 1 values, got 2",
        ),
        (lambda m: m.add(["x"], embeddings=NAN), ValueError, "embeddings: expected finite values"),
        (
            lambda m: m.add(["x"], embeddings=np.ones((2, 32))),
            ValueError,
            "embeddings: expected 1 rows",
        ),
        (
            lambda m: m.add(["x"], embeddings=np.ones((1, 3))),
            ragtune.EmbedderMismatchError,
            "expected 32",
        ),
        (lambda m: m.search(), ValueError, "query: expected either a query or embedding="),
        (
            lambda m: m.search("q", embedding=np.ones(32)),
            ValueError,
            "query: expected either a query",
        ),
        (lambda m: m.search(3), TypeError, "query: expected str, got int"),
        (
            lambda m: m.search(embedding=np.full(32, np.nan)),
            ValueError,
            "embedding: expected finite",
        ),
        (lambda m: m.get("a"), TypeError, "ids: expected a sequence of str, got str"),
        (lambda m: m.delete([1]), TypeError, r"ids\[0\]: expected str, got int"),
        (lambda m: m.add_pairs(["q"]), TypeError, r"pairs\[0\]: expected Pair, got str"),
        (lambda m: m.add_pairs([Pair(" ", "a")]), ValueError, r"pairs\[0\]: expected a question"),
        (
            lambda m: m.add_pairs([Pair("q", "zz")]),
            ValueError,
            r"pairs\[0\]: expected the id of a chunk",
        ),
        (
            lambda m: m.add_pairs([Pair("q", "a", np.inf)]),
            ValueError,
            r"pairs\[0\]: expected a finite",
        ),
        (lambda m: m.evaluate(["q"], []), ValueError, "relevance: expected 1 mappings, got 0"),
        (
            lambda m: m.evaluate(["q"], [{"zz": 1}]),
            ValueError,
            r"relevance\[0\]: expected ids of chunks",
        ),
        (
            lambda m: m.evaluate(["q"], [{"a": 0}]),
            ValueError,
            "expected at least one relevant chunk",
        ),
        (lambda m: m.evaluate(["q"], [{"a": 1}], metrics=["f@1"]), ValueError, "metric: expected"),
    ],
)
def test_memory(memory, call, error, message):
    memory.add(["known text"], ids=["a"])
    with pytest.raises(error, match=message):
        call(memory)
    assert [chunk.text for chunk in memory.get(["a"])] == ["known text"]
    assert len(memory) == 1
    assert memory.store.pairs.living() == []


@pytest.mark.parametrize("embedder", [3, object(), [1, 2]])
def test_unknown_embedder(tmp_path, embedder, open_memory):
    with open_memory(tmp_path / "m", embedder=embedder) as memory:
        with pytest.raises(TypeError, match="embedder: expected"):
            memory.add(["x"])
        assert len(memory) == 0


@pytest.mark.parametrize("owner", ["", "x" * 129])
def test_owner(tmp_path, owner, open_memory):
    with pytest.raises(ValueError, match="owner: expected 1 to 128 characters"):
        open_memory(tmp_path / "m", owner=owner)


def test_a_file_is_no_memory(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(NotADirectoryError, match="expected a directory"):
        ragtune.Memory(tmp_path / "file")


def test_accepts_what_is_only_laid_out_differently():
    base = np.random.default_rng(0).normal(size=(8, 8))
    expected = None
    for x in (
        base,
        base.astype(np.float32),
        np.asfortranarray(base),
        base.tolist(),
        np.repeat(base, 2, axis=0)[::2],
    ):
        made = ragtune.Index(8)
        made.add(x)
        ids = made.search(base[:2], 3)[1].tolist()
        expected = expected or ids
        assert ids == expected
    read_only = base.copy()
    read_only.setflags(write=False)
    ragtune.Index(8).add(read_only)
    ragtune.Index(8).add(np.zeros((0, 8)))
    ragtune.Index(8).add(base.astype(np.float16))
    ragtune.Index(8).add((base * 10).astype(np.int32))


HALF = "caf\ud83d"  # half of a surrogate pair, as of text that was cut between two UTF-16 units


@pytest.mark.parametrize(
    ("name", "call"),
    [
        (r"texts\[1\]", lambda memory: memory.add(["a", HALF])),
        (r"ids\[0\]", lambda memory: memory.add(["a"], ids=[HALF])),
        (r"sources\[0\]", lambda memory: memory.add(["a"], sources=[HALF])),
        (r"ids\[0\]", lambda memory: memory.get([HALF])),
        (r"ids\[0\]", lambda memory: memory.delete([HALF])),
        (
            r"pairs\[0\].question",
            lambda memory: memory.add_pairs([ragtune.Pair(HALF, memory.ids()[0])]),
        ),
    ],
)
def test_half_of_a_surrogate_pair_is_no_text(name, call, memory):
    memory.add(["there before"])
    with pytest.raises(ValueError, match=f"{name}: expected text, got half .* at character 3"):
        call(memory)
    assert len(memory.ids()) == 1


def test_half_of_a_surrogate_pair_in_a_file_is_told_with_its_line(memory, tmp_path):
    memory.add(["there before"], ids=["a"])
    path = tmp_path / "questions.jsonl"
    path.write_text(
        '{"question": "fine", "chunk_id": "a"}\n{"question": "\\ud83d", "chunk_id": "a"}\n'
    )
    with pytest.raises(ValueError, match=r"questions.jsonl:2: .*"):
        memory.questions.add(path)
    assert not memory.store.pairs.living()
