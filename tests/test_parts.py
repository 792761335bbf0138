import threading

import numpy as np
import oracle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragtune import _core

ERROR = 0.02  # of an 8-bit cosine of short vectors; long ones come nearer


def cloud(p, d, seed=0):
    rng = np.random.default_rng(seed)
    return oracle.unit(rng.normal(size=(p, d))).astype(np.float32)


def filled(vectors, rows):
    parts = _core.Parts(vectors.shape[1])
    parts.add(vectors, np.asarray(rows, dtype=np.int64))
    return parts


def slow(vectors, rows, queries, candidates, count=1):
    """Mean of the `count` nearest parts of each candidate."""
    out = np.full(candidates.shape, np.nan)
    for q, j in np.ndindex(*candidates.shape):
        own = vectors[np.asarray(rows) == candidates[q, j]]
        if len(own):
            out[q, j] = np.sort(own @ queries[q])[-count:].mean()
    return out


@given(p=st.integers(0, 60), d=st.integers(1, 150), seed=st.integers(0, 5))
@settings(max_examples=60, deadline=None)
def test_nearest_parts_of_each_candidate_count(p, d, seed):
    rng = np.random.default_rng(seed)
    vectors, queries = cloud(p, d, seed), cloud(3, d, seed + 1)
    rows = rng.integers(0, 20, size=p)
    candidates = rng.integers(-1, 20, size=(3, 11))
    parts = filled(vectors, rows)
    got = parts.best(queries, candidates)
    np.testing.assert_allclose(got, slow(vectors, rows, queries, candidates), atol=ERROR)
    best, mean = parts.best_and_mean(queries, candidates)
    np.testing.assert_array_equal(best, got)
    np.testing.assert_allclose(mean, slow(vectors, rows, queries, candidates, 3), atol=ERROR)


def test_lengths_of_parts_do_not_count():
    vectors = cloud(30, 64)
    rows, queries = np.arange(30), cloud(2, 64, seed=1)
    candidates = np.tile(np.arange(30), (2, 1))
    long = vectors * np.linspace(0.01, 100, 30, dtype=np.float32)[:, None]
    np.testing.assert_allclose(
        filled(long, rows).best(queries, candidates),
        filled(vectors, rows).best(queries, candidates),
        atol=1e-3,
    )


def test_result_is_the_same_at_any_number_of_threads():
    vectors, queries = cloud(500, 96), cloud(40, 96, seed=1)
    parts = filled(vectors, np.arange(500) // 5)
    candidates = np.random.default_rng(0).integers(-1, 100, size=(40, 30))
    one, two = (parts.best_and_mean(queries, candidates, num_threads=t) for t in (1, 2))
    np.testing.assert_array_equal(one, two)


def test_parts_of_removed_rows_are_gone():
    vectors = cloud(40, 32)
    rows = np.arange(40) % 8
    parts = filled(vectors, rows)
    assert parts.remove(np.array([1, 5, 77])) == 10
    candidates = np.arange(8)[None]
    kept = ~np.isin(rows, [1, 5])
    got = parts.best(vectors[:1], candidates)
    np.testing.assert_allclose(
        got, slow(vectors[kept], rows[kept], vectors[:1], candidates), atol=ERROR
    )
    assert len(parts) == 30


def test_memory_of_removed_parts_is_given_back():
    parts = filled(cloud(400, 64), np.arange(400))
    full = parts.size_bytes
    parts.remove(np.arange(300))
    assert len(parts) == 100
    assert parts.size_bytes < full / 2
    assert not np.isnan(parts.best(cloud(1, 64), np.arange(300, 400)[None])).any()


def test_replaced_row_has_only_its_new_parts():
    parts = filled(cloud(6, 16), np.arange(6))
    new = cloud(2, 16, seed=9)
    parts.remove(np.array([3]))
    parts.add(new, np.array([3, 3]))
    got = parts.best(new[:1], np.array([[3]]))
    assert got[0, 0] == pytest.approx(1.0, abs=ERROR)
    assert len(parts) == 7


def test_kept_and_restored_they_answer_the_same():
    vectors = cloud(50, 40)
    parts = filled(vectors, np.arange(50) // 3)
    parts.remove(np.array([2]))
    again = _core.Parts.restored(40, *parts.stored())
    candidates = np.arange(20)[None]
    np.testing.assert_array_equal(
        again.best(vectors[:1], candidates), parts.best(vectors[:1], candidates)
    )


def test_a_part_of_384_dimensions_takes_at_most_450_bytes():
    parts = filled(cloud(6000, 384), np.arange(6000) // 6)
    assert parts.size_bytes / 6000 <= 450


def test_zero_vectors_score_zero():
    parts = filled(np.zeros((1, 8), dtype=np.float32), [0])
    assert parts.best(cloud(1, 8), np.zeros((1, 1), dtype=np.int64))[0, 0] == 0


@pytest.mark.parametrize(
    ("vectors", "rows", "message"),
    [
        (np.zeros((2, 3)), [0, 1], r"vectors: expected shape \(2, 4\), got \(2, 3\)"),
        (np.zeros((2, 4)), [0], r"vectors: expected shape \(1, 4\), got \(2, 4\)"),
        (np.zeros((1, 4)), [-1], "rows: expected >= 0, got -1"),
    ],
)
def test_wrong_parts_are_refused_and_nothing_is_added(vectors, rows, message):
    parts = _core.Parts(4)
    with pytest.raises(ValueError, match=message):
        parts.add(vectors.astype(np.float32), np.array(rows))
    assert len(parts) == 0


def test_stored_parts_that_do_not_fit_are_refused():
    codes, scales, rows = filled(cloud(4, 16), np.arange(4)).stored()
    with pytest.raises(ValueError, match="codes: expected shape"):
        _core.Parts.restored(16, codes[:3], scales, rows)
    with pytest.raises(ValueError, match="codes: expected shape"):
        _core.Parts.restored(200, codes, scales, rows)
    with pytest.raises(ValueError, match="scales: expected finite"):
        _core.Parts.restored(16, codes, scales * np.float32(np.inf), rows)
    with pytest.raises(ValueError, match="rows: expected >= 0"):
        _core.Parts.restored(16, codes, scales, rows - 1)


def test_readers_see_all_of_a_change_or_nothing_of_it():
    vectors, query = cloud(2, 16), cloud(1, 16, seed=1)
    parts, stop, torn = _core.Parts(16), threading.Event(), []

    def read():
        while not stop.is_set():
            first, second = np.isnan(parts.best(query, np.array([[7, 9_000]])))[0]
            if first != second:
                torn.append((first, second))

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for _ in range(300):
        parts.add(vectors, np.array([7, 9_000]))
        parts.add(cloud(3, 16), np.array([1, 1, 2]))
        parts.remove(np.array([7, 9_000, 1]))
    stop.set()
    for reader in readers:
        reader.join()
    assert not torn
    assert len(parts) == 300


def test_a_row_that_comes_back_has_only_its_new_parts():
    parts = filled(cloud(4, 16), [3, 3, 5, 3])
    parts.remove(np.array([3]))
    parts.add(cloud(1, 16, seed=9), np.array([3]))
    expected = (cloud(1, 16, seed=9) @ cloud(1, 16, seed=1).T)[0, 0]
    found = parts.best(cloud(1, 16, seed=1), np.array([[3]]))[0, 0]
    assert found == pytest.approx(expected, abs=ERROR)
    assert len(parts) == 2
