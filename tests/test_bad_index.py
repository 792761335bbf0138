"""Wrong arguments of an index: the error names the argument, what was expected and what came."""

import numpy as np
import pytest

import ragtune

GOOD = np.eye(2)


def index(kind="flat"):
    made = ragtune.Index(2, kind=kind)
    made.add(GOOD)
    return made


@pytest.mark.parametrize(
    ("queries", "error", "message"),
    [
        (np.zeros((2, 3)), ValueError, "expected 2 dimensions, got 3"),
        ([[1.0, np.nan]], ValueError, "expected finite values, got nan in row 0, column 1"),
        (["a"], TypeError, "expected real numbers"),
    ],
)
def test_calibration(queries, error, message):
    with pytest.raises(error, match=f"queries: {message}"):
        index("hnsw").calibrate(queries)


@pytest.mark.parametrize("kind", ["flat", "hnsw"])
@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"ef_search": 0}, ValueError, r"ef_search: expected in \[1, 2147483647\], got 0"),
        ({"ef_search": -1}, ValueError, r"ef_search: expected in \[1, 2147483647\], got -1"),
        ({"ef_search": 2.5}, TypeError, "ef_search: expected an integer, got float"),
        ({"ef_search": True}, TypeError, "ef_search: expected an integer, got bool"),
        ({"recall": 0}, ValueError, r"recall: expected in \(0, 1\], got 0"),
        ({"recall": 1.5}, ValueError, "recall: expected in .0, 1], got 1.5"),
        ({"recall": -0.5}, ValueError, "recall: expected in .0, 1], got -0.5"),
        ({"recall": np.nan}, ValueError, "recall: expected in .0, 1], got nan"),
        ({"recall": "all"}, TypeError, "recall: expected a number, got str"),
        (
            {"ef_search": 50, "recall": 0.9},
            ValueError,
            "ef_search: expected either ef_search or recall, got both",
        ),
        ({"num_threads": -1}, ValueError, "num_threads: expected in"),
        ({"num_threads": 1.5}, TypeError, "num_threads: expected an integer, got float"),
        ({"filter": [0.5]}, TypeError, "filter: expected integers, got float64"),
        ({"filter": ["a"]}, TypeError, "filter: expected integers, got <U1"),
        ({"filter": 7}, ValueError, "filter: expected shape"),
    ],
)
def test_search_parameters(kind, parameters, error, message):
    made = index(kind=kind)
    with pytest.raises(error, match=message):
        made.search(GOOD, 1, **parameters)
    assert made.search(GOOD, 1)[1].ravel().tolist() == [0, 1]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: ragtune.Index(0), ValueError, r"d: expected in \[1, 65536\], got 0"),
        (lambda: ragtune.Index(65_537), ValueError, r"d: expected in \[1, 65536\], got 65537"),
        (lambda: ragtune.Index(2.5), TypeError, "d: expected an integer, got float"),
        (
            lambda: ragtune.Index(2, metric="dot"),
            ValueError,
            "metric: expected one of cosine, ip, l2, got dot",
        ),
        (lambda: ragtune.Index(2, kind="ivf"), ValueError, "kind: expected one of flat, hnsw, got"),
        (lambda: ragtune.Index(2, store="i8"), ValueError, "store: expected one of f32, bf16, got"),
        (lambda: ragtune.Index(2, M=1), ValueError, r"M: expected in \[2, 256\], got 1"),
        (lambda: ragtune.Index(2, M=257), ValueError, r"M: expected in \[2, 256\], got 257"),
        (lambda: ragtune.Index(2, M=16.0), TypeError, "M: expected an integer, got float"),
        (
            lambda: ragtune.Index(2, ef_construction=0),
            ValueError,
            r"ef_construction: expected in \[1, 10000\], got 0",
        ),
        (
            lambda: ragtune.Index(2, ef_construction=10_001),
            ValueError,
            r"ef_construction: expected in \[1, 10000\], got 10001",
        ),
        (
            lambda: ragtune.Index(2, ef_construction="100"),
            TypeError,
            "ef_construction: expected an integer, got str",
        ),
        (lambda: ragtune.Index(2, seed=-1), ValueError, "seed: expected in"),
        (lambda: ragtune.Index(2, seed=2**31), ValueError, "seed: expected in"),
        (lambda: ragtune.Index(2, seed=0.5), TypeError, "seed: expected an integer, got float"),
        (lambda: index().add(GOOD, ids=[0]), ValueError, r"ids: expected shape \(2,\), got \(1,\)"),
        (lambda: index().add(GOOD, ids=[0.5, 1]), TypeError, "ids: expected integers, got float64"),
        (
            lambda: index().add(GOOD, ids=[1, 1]),
            ValueError,
            "ids: expected distinct ids, got 1 twice",
        ),
        (lambda: index().add(GOOD, ids=[-1, 1]), ValueError, "ids: expected >= 0, got -1"),
        (lambda: index().remove(["a"]), TypeError, "ids: expected integers"),
        (
            lambda: index().add(GOOD, num_threads=-1),
            ValueError,
            "num_threads: expected in",
        ),
        (lambda: index().compact(num_threads=-1), ValueError, "num_threads: expected in"),
    ],
)
def test_index(call, error, message):
    with pytest.raises(error, match=message):
        call()
