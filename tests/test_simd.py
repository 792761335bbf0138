import os
import subprocess
import sys

import numpy as np
import pytest

from ragtune import _core

SETS = _core.available_kernels()
LENGTHS = [*range(1, 131), 384, 768, 1536, 3072]


def vectors(d, offset=0, seed=0):
    """Two vectors that start `offset` floats past an allocation."""
    buffer = np.random.default_rng(seed).normal(size=(2, d + offset)).astype(np.float32)
    return buffer[0, offset:], buffer[1, offset:]


def bound(terms):
    """Rounding of a sum in any order: d roundings of the sum of magnitudes."""
    return 1.05 * (len(terms) + 2) * 2.0**-24 * np.abs(terms).sum()


@pytest.mark.parametrize("kernels", SETS)
def test_dot_agrees_with_float64_at_every_length(kernels):
    for d in LENGTHS:
        a, b = vectors(d)
        terms = a.astype(np.float64) * b
        assert abs(_core.dot(kernels, a, b) - terms.sum()) <= bound(terms), d


@pytest.mark.parametrize("kernels", SETS)
def test_squared_distance_agrees_with_float64_at_every_length(kernels):
    for d in LENGTHS:
        a, b = vectors(d)
        terms = (a.astype(np.float64) - b) ** 2
        assert abs(_core.squared_distance(kernels, a, b) - terms.sum()) <= 3 * bound(terms), d


@pytest.mark.parametrize("kernels", SETS)
@pytest.mark.parametrize("offset", range(1, 17))
def test_memory_need_not_be_aligned(kernels, offset):
    for d in (1, 7, 16, 33, 100):
        a, b = vectors(d, offset)
        terms = a.astype(np.float64) * b
        assert abs(_core.dot(kernels, a, b) - terms.sum()) <= bound(terms)


@pytest.mark.parametrize("kernels", SETS)
@pytest.mark.parametrize("n", [0, 1, 3, 4, 5, 17])
def test_rows_score_as_single_products(kernels, n):
    rng = np.random.default_rng(n)
    for d in (1, 8, 31, 384):
        query, rows = (rng.normal(size=s).astype(np.float32) for s in (d, (n, d)))
        expected = [_core.dot(kernels, query, row) for row in rows]
        np.testing.assert_allclose(_core.dot_rows(kernels, query, rows), expected, atol=1e-4)


def test_core_never_converts():
    with pytest.raises(TypeError, match="incompatible function arguments"):
        _core.dot("baseline", np.zeros(3), np.zeros(3))


@pytest.mark.parametrize("name", SETS)
def test_environment_forces_a_set(name):
    code = "from ragtune import _core; print(_core.kernels_in_use())"
    out = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"RAGTUNE_SIMD": name},
        capture_output=True,
        text=True,
        check=True,
    )
    assert out.stdout.strip() == name


def test_unknown_set_is_an_error():
    code = "from ragtune import _core; _core.kernels_in_use()"
    out = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"RAGTUNE_SIMD": "mmx"},
        capture_output=True,
        text=True,
    )
    assert "RAGTUNE_SIMD: expected one of baseline" in out.stderr
