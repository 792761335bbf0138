"""A filter comes before the top k: exactly min(k, matches) results, all of them allowed."""

import numpy as np
import oracle
import pytest
from conftest import clustered

import ragtune

N, NQ, K, D = 10_000, 100, 10, 32
KINDS = "flat", "hnsw"
SPARSE = np.arange(N) * 1_000_003 + 5
X, Q = clustered(N, D, NQ, seed=8)


@pytest.fixture(scope="module", params=KINDS)
def index(request):
    made = ragtune.Index(D, "l2", request.param)
    made.add(X, num_threads=1)
    return made


@pytest.fixture(scope="module", params=KINDS)
def sparse(request):
    made = ragtune.Index(D, "l2", request.param)
    made.add(X, ids=SPARSE, num_threads=1)
    return made


def small(kind="flat", n=6):
    made = ragtune.Index(2, "l2", kind)
    made.add(np.arange(2 * n).reshape(n, 2))
    return made


def mask_of(rows):
    mask = np.zeros(N, dtype=bool)
    mask[rows] = True
    return mask


def check(index, rows, filter, least, ids=None, k=K, **parameters):
    """Results are min(k, matches) distinct ones of `rows`, and `least` of the true ones."""
    ids = np.arange(N) if ids is None else ids
    found = index.search(Q, k, filter=filter, num_threads=1, **parameters)[1]
    expected = ids[rows[oracle.nearest(X[rows], Q, k, "l2")[1]]]
    wide = min(k, len(rows))
    assert (found[:, wide:] == -1).all()
    assert np.isin(found[:, :wide], ids[rows]).all()
    assert all(len(set(row)) == wide for row in found[:, :wide].tolist())
    assert oracle.recall(found, expected) >= least


@pytest.mark.parametrize("share", [0.5, 0.1, 0.01, 0.001, 0.0001])
@pytest.mark.parametrize("parameters", [{}, {"ef_search": 40}, {"recall": 0.999}])
@pytest.mark.parametrize("form", ["mask", "ids"])
def test_random_filters_of_every_selectivity(index, share, parameters, form):
    rows = np.sort(np.random.default_rng(0).permutation(N)[: int(N * share)])
    check(index, rows, mask_of(rows) if form == "mask" else rows, 0.98, **parameters)


@pytest.mark.parametrize("share", [0.5, 0.1, 0.01, 0.0001])
def test_sparse_ids_of_the_caller(sparse, share):
    rows = np.sort(np.random.default_rng(1).permutation(N)[: int(N * share)])
    check(sparse, rows, SPARSE[rows], 0.98, ids=SPARSE)


@pytest.mark.parametrize("share", [0.5, 0.3, 0.1])
def test_only_what_is_far_away_may_be_found(index, share):
    """A walk goes to where nothing is allowed: it must still come back with k, and good ones."""
    order = np.argsort(((X - Q[0]) ** 2).sum(axis=1))
    rows = np.sort(order[-int(N * share) :])
    check(index, rows, rows, 0.9)
    one = index.search(Q[0], K, filter=rows)[1]
    expected = rows[oracle.nearest(X[rows], Q[:1], K, "l2")[1]]
    assert (one >= 0).all()
    assert oracle.recall(one, expected) >= 0.9


@pytest.mark.parametrize("share", [0.5, 0.3])
def test_only_what_is_near_may_be_found(index, share):
    rows = np.sort(np.argsort(((X - Q[0]) ** 2).sum(axis=1))[: int(N * share)])
    check(index, rows, rows, 0.9)


@pytest.mark.parametrize("k", [1, 100, 6000])
def test_other_numbers_of_results(index, k):
    rows = np.arange(0, N, 2)
    check(index, rows, mask_of(rows), 0.95, k=k)


def test_a_filter_of_all_is_none(index):
    without = index.search(Q, K, recall=1)
    for everything in (np.ones(N, dtype=bool), np.arange(N), range(N)):
        for a, b in zip(index.search(Q, K, recall=1, filter=everything), without, strict=True):
            np.testing.assert_array_equal(a, b)


def test_removed_ids_are_not_found_by_a_filter():
    made = ragtune.Index(D, "l2", "hnsw")
    made.add(X, num_threads=1)
    made.remove(np.arange(0, N, 3))
    rows = np.setdiff1d(np.arange(0, N, 2), np.arange(0, N, 3))
    check(made, rows, np.arange(0, N, 2), 0.95)
    check(made, rows, mask_of(np.arange(0, N, 2)), 0.95)
    assert (made.search(Q, K, filter=np.arange(0, N, 3))[1] == -1).all()


def test_a_filter_that_shrinks_with_removals_still_gives_all_that_is_left():
    made = ragtune.Index(D, "l2", "hnsw")
    made.add(X, num_threads=1)
    made.remove(np.arange(4998))
    check(made, np.array([4998, 4999]), np.arange(5000), 1)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("form", [list, set, frozenset, tuple, np.array])
def test_forms_of_an_id_filter(kind, form):
    ids = small(kind).search([0, 0], 4, filter=form([5, 1, 3]))[1]
    assert ids.tolist() == [[1, 3, 5, -1]]


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int32", "uint64"])
def test_ids_may_be_of_any_integer_type(dtype):
    ids = np.array([5, 1], dtype=dtype)
    assert small().search([0, 0], 2, filter=ids)[1].tolist() == [[1, 5]]


def test_ranges_and_slices_are_filters():
    assert small().search([0, 0], 2, filter=range(2, 4))[1].tolist() == [[2, 3]]
    assert small().search([0, 0], 2, filter=np.arange(12)[3::2])[1].tolist() == [[3, 5]]
    mask = np.repeat([False, True, False, True, False, True], 2)
    assert small().search([0, 0], 3, filter=mask[::2])[1].tolist() == [[1, 3, 5]]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("empty", [[], set(), np.zeros(0, bool), np.zeros(6, bool), [77]])
def test_an_empty_filter_finds_nothing(kind, empty):
    scores, ids = small(kind).search([[0, 0]] * 2, 3, filter=empty)
    assert ids.tolist() == [[-1] * 3] * 2
    assert (scores == -np.inf).all()


def test_ids_beyond_a_mask_may_not_be_found():
    assert small().search([0, 0], 3, filter=[True, False, True])[1].tolist() == [[0, 2, -1]]


def test_a_mask_may_reach_beyond_the_ids():
    mask = np.arange(1000) % 2 == 1
    assert small().search([0, 0], 4, filter=mask)[1].tolist() == [[1, 3, 5, -1]]


def test_a_mask_is_over_ids_and_not_over_rows():
    made = ragtune.Index(2, "l2")
    made.add(np.arange(8).reshape(4, 2), ids=[7, 3, 2**40, 0])
    mask = np.zeros(8, dtype=bool)
    mask[[7, 0]] = True
    assert made.search([0, 0], 3, filter=mask)[1].tolist() == [[7, 0, -1]]


def test_unknown_and_negative_ids_are_passed_over():
    unknown = [2, -1, 99, 2**62, -(2**62), 4]
    assert small().search([0, 0], 3, filter=unknown)[1].tolist() == [[2, 4, -1]]
    made = ragtune.Index(2, "l2")
    made.add(np.eye(2), ids=[50, 40])
    assert made.search([0, 0], 3, filter=[0, 1, -1, 40, 2**62])[1].tolist() == [[40, -1, -1]]


@pytest.mark.parametrize("kind", KINDS)
def test_an_id_given_twice_is_found_once(kind):
    ids = small(kind).search([0, 0], 4, filter=[3, 3, 1, 3, 1])[1]
    assert ids.tolist() == [[1, 3, -1, -1]]


def test_a_replaced_id_is_found_once_under_a_filter():
    made = small()
    made.add([[0, 0]], ids=[4])
    assert made.search([0, 0], 3, filter=[4, 5])[1].tolist() == [[4, 5, -1]]
    assert made.search([0, 0], 3, filter=np.arange(6) >= 4)[1].tolist() == [[4, 5, -1]]


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        ([0.5, 1.0], TypeError, "expected integers, got float64"),
        (["a"], TypeError, "expected integers, got <U1"),
        ("text", TypeError, "expected integers, got <U4"),
        ({1: 2}, TypeError, "expected integers, got object"),
        ({"a", "b"}, TypeError, "expected integers, got <U1"),
        ((i for i in range(3)), TypeError, "expected integers, got object"),
        ([2**70], TypeError, "expected integers, got object"),
        ([1, None], TypeError, "expected integers, got object"),
        (3, ValueError, r"expected shape \(1,\), got \(\)"),
        (True, ValueError, "expected 1 dimension, got 0"),
        ([[1, 2]], ValueError, r"expected shape \(2,\), got \(1, 2\)"),
        ([[True]], ValueError, "expected 1 dimension, got 2"),
        ([[1], [1, 2]], ValueError, "expected 1 dimension: "),
    ],
)
def test_what_is_no_filter_is_refused(value, error, message):
    with pytest.raises(error, match=f"filter: {message}"):
        small().search([0, 0], 1, filter=value)
