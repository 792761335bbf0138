import numpy as np
import oracle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragtune import _core


def unit(seed, *shape):
    return oracle.unit(np.random.default_rng(seed).normal(size=shape)).astype(np.float32)


def softmax(corpus, queries, temperature):
    """Log partition function, probabilities and scores in float64."""
    scores = queries.astype(np.float64) @ corpus.T.astype(np.float64)
    top = scores.max(axis=1, keepdims=True)
    mass = np.exp((scores - top) / temperature).sum(axis=1, keepdims=True)
    log_mass = np.log(mass) + top / temperature
    return log_mass[:, 0], np.exp(scores / temperature - log_mass), scores


@given(
    n=st.integers(1, 300),
    nq=st.integers(1, 40),
    d=st.integers(1, 40),
    temperature=st.sampled_from([0.01, 0.05, 1.0]),
)
@settings(max_examples=50, deadline=None)
def test_agrees_with_numpy(n, nq, d, temperature):
    corpus, queries = unit(n, n, d), unit(nq + 1000, nq, d)
    log_mass, moment, best = _core.partition(corpus, queries, temperature=temperature, keep=5)
    expected, p, scores = softmax(corpus, queries, temperature)
    np.testing.assert_allclose(log_mass, expected, atol=1e-6 / temperature + 1e-5)
    np.testing.assert_allclose(moment, p @ corpus, atol=2e-6 / temperature + 1e-5)
    found = np.take_along_axis(scores, best, axis=1)
    np.testing.assert_allclose(found, -np.sort(-scores, axis=1)[:, :5], atol=1e-6)


def test_many_blocks_and_parts_agree_with_numpy():
    corpus, queries = unit(0, 9001, 24), unit(1, 70, 24)
    log_mass, moment, best = _core.partition(corpus, queries, temperature=0.05, keep=20)
    expected, p, scores = softmax(corpus, queries, 0.05)
    np.testing.assert_allclose(log_mass, expected, atol=3e-5)
    np.testing.assert_allclose(moment, p @ corpus, atol=5e-5)
    found = np.take_along_axis(scores, best, axis=1)
    np.testing.assert_allclose(found, -np.sort(-scores, axis=1)[:, :20], atol=1e-6)


def test_dimensions_beyond_one_tile_agree_with_numpy():
    corpus, queries = unit(0, 130, 1100), unit(1, 3, 1100)
    log_mass, moment, _ = _core.partition(corpus, queries, temperature=0.05, keep=3)
    expected, p, _ = softmax(corpus, queries, 0.05)
    np.testing.assert_allclose(log_mass, expected, atol=3e-5)
    np.testing.assert_allclose(moment, p @ corpus, atol=5e-5)


def test_equal_rows_stand_in_row_order():
    corpus = np.repeat(unit(0, 1, 8), 3000, axis=0)
    best = _core.partition(corpus, corpus[:1].copy(), temperature=0.05, keep=7)[2]
    assert best[0].tolist() == list(range(7))


def test_a_floor_leaves_the_best_above_it():
    """A floor that enough rows reach changes nothing; a higher one leaves fewer."""
    corpus, queries = unit(0, 5000, 24), unit(1, 70, 24)
    free = _core.partition(corpus, queries, temperature=0.05, keep=8)
    scores = np.take_along_axis(queries @ corpus.T, free[2], axis=1)
    low = np.ascontiguousarray(scores[:, -1] - np.float32(1e-4))
    found = _core.partition(corpus, queries, temperature=0.05, keep=8, floors=low)
    assert found[0] == free[0]
    np.testing.assert_array_equal(found[1], free[1])
    np.testing.assert_array_equal(found[2], free[2])
    between = (scores[:, 2] + scores[:, 3]) / 2
    few = _core.partition(corpus, queries, temperature=0.05, keep=8, floors=between)[2]
    np.testing.assert_array_equal(few[:, :3], free[2][:, :3])
    assert (few[:, 3:] == -1).all()


def test_floors_of_another_number_are_refused():
    corpus = unit(0, 20, 8)
    with pytest.raises(ValueError, match="floors: expected 3, got 2"):
        _core.partition(
            corpus, corpus[:3].copy(), temperature=0.1, keep=2, floors=np.zeros(2, np.float32)
        )


def test_the_bytes_do_not_depend_on_threads_or_company():
    corpus, queries = unit(0, 5000, 24), unit(1, 70, 24)
    whole = _core.partition(corpus, queries, temperature=0.05, keep=4, num_threads=1)
    again = _core.partition(corpus, queries, temperature=0.05, keep=4, num_threads=3)
    alone = _core.partition(corpus, queries[33:34].copy(), temperature=0.05, keep=4)
    assert whole[0] == again[0]
    assert whole[0][33] == alone[0][0]
    for a, b, c in zip(whole[1:], again[1:], alone[1:], strict=True):
        assert a.tobytes() == b.tobytes()
        assert a[33].tobytes() == c[0].tobytes()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"temperature": 0.0}, "temperature: expected > 0, got 0"),
        ({"keep": 0}, "keep: expected >= 1"),
        ({"corpus": unit(0, 5, 3)}, "queries: expected 3 dimensions, got 4"),
        ({"corpus": np.zeros((0, 4), np.float32)}, "corpus: expected 1 to"),
    ],
)
def test_rejects(changed, message):
    given = {"corpus": unit(0, 5, 4), "queries": unit(1, 2, 4), "temperature": 0.1, "keep": 2}
    given |= changed
    with pytest.raises(ValueError, match=message):
        _core.partition(given.pop("corpus"), given.pop("queries"), **given)
