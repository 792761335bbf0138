import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragtune import _core


def normal(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def bound(a, b):
    """Rounding of sums of k products in any order."""
    return 1.05 * (a.shape[1] + 2) * 2.0**-24 * (np.abs(a).astype(np.float64) @ np.abs(b)) + 1e-30


@given(m=st.integers(1, 40), k=st.integers(1, 70), n=st.integers(1, 70), seed=st.integers(0, 50))
@settings(max_examples=60, deadline=None)
def test_products_agree_with_numpy(m, k, n, seed):
    a, b = normal(seed, m, k), normal(seed + 1, k, n)
    expected, error = a.astype(np.float64) @ b, bound(a, b)
    for product in (
        _core.multiply(a, b),
        _core.multiply_first_transposed(np.ascontiguousarray(a.T), b),
        _core.multiply_transposed(a, np.ascontiguousarray(b.T)),
    ):
        assert (np.abs(product - expected) <= error).all()


@pytest.mark.parametrize("k", [511, 512, 513, 1100])
def test_long_sums_are_made_in_parts(k):
    a, b = normal(0, 13, k), normal(1, k, 33)
    expected, error = a.astype(np.float64) @ b, bound(a, b)
    assert (np.abs(_core.multiply(a, b) - expected) <= error).all()
    turned = np.ascontiguousarray(a.T)
    assert (np.abs(_core.multiply_first_transposed(turned, b) - expected) <= error).all()


@pytest.mark.parametrize("product", ["multiply", "multiply_first_transposed"])
def test_products_have_the_same_bytes_at_any_number_of_threads(product):
    a, b = normal(0, 200, 200), normal(1, 200, 300)
    one, three = (getattr(_core, product)(a, b, num_threads=t) for t in (1, 3))
    assert one.tobytes() == three.tobytes()


def test_rejects_shapes():
    with pytest.raises(ValueError, match="b: expected 3 rows, got 4"):
        _core.multiply(normal(0, 2, 3), normal(1, 4, 2))
    with pytest.raises(ValueError, match="b: expected 2 rows, got 4"):
        _core.multiply_first_transposed(normal(0, 2, 3), normal(1, 4, 2))
