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


def half(x, offset):
    """The upper halves of float32 numbers, `offset` of them misaligned, and their values."""
    bits = np.zeros(len(x) + offset, dtype=np.uint16)[offset:]
    bits[:] = x.view(np.uint32) >> 16
    return bits, (bits.astype(np.uint32) << 16).view(np.float32)


def planes(groups, offset=0, seed=0):
    """A query (g * 128,) and four planes of 4-bit codes (4, g * 64), `offset` bytes misaligned."""
    rng = np.random.default_rng(seed)
    query = rng.integers(-127, 128, size=groups * 128 + offset, dtype=np.int8)[offset:]
    packed = rng.integers(0, 256, size=offset + 4 * groups * 64, dtype=np.uint8)[offset:]
    return query, packed.reshape(4, groups * 64)


def unpacked(packed):
    """Codes (4, g * 128): byte j of a group holds dimensions j and j + 64."""
    bytes_ = packed.reshape(4, -1, 64)
    return np.concatenate([bytes_ & 15, bytes_ >> 4], axis=2).reshape(4, -1).astype(np.int64)


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
    for d in LENGTHS:
        a, b = vectors(d, offset)
        terms = a.astype(np.float64) * b
        gaps = (a.astype(np.float64) - b) ** 2
        assert abs(_core.dot(kernels, a, b) - terms.sum()) <= bound(terms), d
        assert abs(_core.squared_distance(kernels, a, b) - gaps.sum()) <= 3 * bound(gaps), d


@pytest.mark.parametrize("kernels", SETS)
@pytest.mark.parametrize("offset", range(17))
def test_bf16_kernels_agree_with_float64_at_every_length_and_offset(kernels, offset):
    for d in LENGTHS:
        a, b = vectors(d, offset)
        b, widened = half(b, offset)
        products = a.astype(np.float64) * widened
        gaps = (a.astype(np.float64) - widened) ** 2
        assert abs(_core.dot_bf16(kernels, a, b) - products.sum()) <= bound(products), d
        error = abs(_core.squared_distance_bf16(kernels, a, b) - gaps.sum())
        assert error <= 3 * bound(gaps), d


@pytest.mark.parametrize("kernels", SETS)
@pytest.mark.parametrize("offset", range(17))
def test_codes_are_multiplied_exactly_at_every_length_and_offset(kernels, offset):
    """Codes of d dimensions, padded with a query of zeros to whole groups."""
    for d in LENGTHS:
        query, packed = planes((d + 127) // 128, offset, seed=d)
        query[d:] = 0
        expected = unpacked(packed) @ query.astype(np.int64)
        assert _core.dot_planes(kernels, query, packed).tolist() == expected.tolist(), d


@pytest.mark.parametrize("kernels", SETS)
@pytest.mark.parametrize("sign", [-127, 127])
def test_the_largest_codes_do_not_overflow(kernels, sign):
    """16-bit sums of two products, as AVX2 makes them, would saturate above 32,767."""
    groups = 65_536 // 128
    query = np.full(groups * 128, sign, dtype=np.int8)
    full = np.full((4, groups * 64), 0xFF, dtype=np.uint8)
    assert _core.dot_planes(kernels, query, full).tolist() == [15 * sign * 65_536] * 4


def test_planes_of_another_size_are_refused():
    query, packed = planes(2)
    for wrong in (packed[:3].copy(), packed[:, :64].copy()):
        with pytest.raises(ValueError, match="planes: expected"):
            _core.dot_planes("baseline", query, wrong)


@pytest.mark.parametrize("kernels", SETS)
@pytest.mark.parametrize("n", [0, 1, 3, 4, 5, 17])
def test_rows_score_as_single_products(kernels, n):
    rng = np.random.default_rng(n)
    for d in (1, 8, 31, 384):
        query, rows = (rng.normal(size=s).astype(np.float32) for s in (d, (n, d)))
        expected = [_core.dot(kernels, query, row) for row in rows]
        np.testing.assert_allclose(_core.dot_rows(kernels, query, rows), expected, atol=1e-4)


@pytest.mark.parametrize("kernels", SETS)
def test_a_scaled_row_is_added_at_every_length(kernels):
    for d in LENGTHS:
        a, b = vectors(d, offset=d % 4)
        expected = a + np.float32(-0.3) * b
        np.testing.assert_array_equal(_core.add_scaled(kernels, a, b, -0.3), expected)


@pytest.mark.parametrize("kernels", SETS)
def test_a_wide_dot_has_the_same_bits_in_each_set(kernels):
    for d in LENGTHS:
        a, b = vectors(d, offset=d % 4)
        terms = a.astype(np.float64) * b
        found = _core.wide_dot(kernels, a, b)
        assert abs(found - terms.sum()) <= 1e-14 * np.abs(terms).sum(), d
        assert found == _core.wide_dot("baseline", a, b)


@pytest.mark.parametrize("kernels", SETS)
def test_a_step_of_adam_has_the_same_bits_in_each_set(kernels):
    """Kingma & Ba 2015, algorithm 1, in float64 beside it."""
    shrink, rate, correction, beta1, beta2, epsilon = 0.5, 1e-3, 3.0, 0.9, 0.999, 1e-8
    for d in (*range(1, 40), 1001):
        rng = np.random.default_rng(d)
        x, mean, gradient = rng.normal(size=(3, d)).astype(np.float32)
        square = rng.uniform(size=d).astype(np.float32)
        given = x, mean, square, gradient, (shrink, rate, correction, beta1, beta2, epsilon)
        found = _core.adam(kernels, *given)
        g = shrink * gradient.astype(np.float64)
        m = beta1 * mean + (1 - beta1) * g
        v = beta2 * square + (1 - beta2) * g**2
        step = rate * m / (np.sqrt(v) * correction + epsilon)
        np.testing.assert_allclose(found, [x - step, m, v], rtol=1e-4, atol=1e-6)
        np.testing.assert_array_equal(found, _core.adam("baseline", *given))


@pytest.mark.parametrize("kernels", SETS)
@pytest.mark.parametrize("n", [1, 2, 7, 96])
def test_columns_are_scaled(kernels, n):
    rng = np.random.default_rng(n)
    values = rng.normal(size=(n, _core.columns(kernels))).astype(np.float32)
    factors = rng.uniform(size=values.shape[1]).astype(np.float32)
    np.testing.assert_array_equal(_core.scale_columns(kernels, values, factors), values * factors)


@pytest.mark.parametrize("kernels", SETS)
@pytest.mark.parametrize("n", [1, 2, 7, 96])
def test_a_survey_finds_peaks_and_rows_above_a_limit(kernels, n):
    rng = np.random.default_rng(n)
    scores = rng.normal(size=(n, _core.columns(kernels))).astype(np.float32)
    limits = scores.max(axis=0) - np.float32(0.2)
    limits[::3] = scores.max(axis=0)[::3]  # equal is not above
    limits[1] = -np.inf if n == 7 else limits[1]
    peaks, above = _core.survey(kernels, scores, limits)
    np.testing.assert_array_equal(peaks, scores.max(axis=0))
    weights = 2 ** np.arange(scores.shape[1], dtype=np.uint64)
    np.testing.assert_array_equal(above, (scores > limits) @ weights)


@pytest.mark.parametrize("kernels", SETS)
@pytest.mark.parametrize("n", [1, 2, 21, 32])
def test_the_largest_of_each_column_is_found(kernels, n):
    ends = np.iinfo(np.int32)
    values = np.random.default_rng(n).integers(ends.min, ends.max, size=(n, 256), dtype=np.int32)
    np.testing.assert_array_equal(_core.column_peaks(kernels, values), values.max(axis=0))


@pytest.mark.parametrize("kernels", SETS)
@pytest.mark.parametrize("largest", [0, 1, 7, 3_000, 2**31 - 1])
@pytest.mark.parametrize("k", [1, 2, 10, 255, 256])
def test_what_k_columns_reach_is_a_thousandth_short_at_most(kernels, largest, k):
    peaks = np.random.default_rng(k).integers(0, largest, size=256, dtype=np.int32, endpoint=True)
    kth = int(np.sort(peaks)[-k])
    got = _core.reached_by(kernels, peaks, k)
    assert kth - peaks.max() // 1000 <= got <= kth
    assert got == _core.reached_by("baseline", peaks, k)


def test_more_columns_than_there_are_are_refused():
    for size, k in ((255, 1), (256, 0), (256, 257)):
        with pytest.raises(ValueError, match="peaks, k: expected 256 peaks, and k from 1"):
            _core.reached_by("baseline", np.zeros(size, np.int32), k)


def test_a_table_of_another_width_is_refused():
    for shape in ((0, 256), (2, 255), (256,)):
        with pytest.raises(ValueError, match="values: expected rows and 256 columns"):
            _core.column_peaks("baseline", np.zeros(shape, np.int32))


@pytest.mark.parametrize("kernels", SETS)
@pytest.mark.parametrize("n", [1, 2, 7, 96])
def test_scores_become_weights_with_the_same_bits_in_each_set(kernels, n):
    columns, rng = _core.columns(kernels), np.random.default_rng(n)
    scores = rng.uniform(-1, 1, size=(n, columns)).astype(np.float32)
    peaks = scores.max(axis=0)
    weights, sums = _core.weigh(kernels, scores, peaks, 20.0)
    expected = np.exp(((scores - peaks) * np.float32(20.0)).astype(np.float64))
    np.testing.assert_allclose(weights, expected, rtol=3e-7)
    np.testing.assert_allclose(sums, expected.sum(axis=0), rtol=1e-5)
    assert (weights.max(axis=0) == 1).all()
    narrow = _core.columns("baseline")  # no set has fewer
    block = np.ascontiguousarray(scores[:, :narrow])
    plain, _ = _core.weigh("baseline", block, np.ascontiguousarray(peaks[:narrow]), 20.0)
    np.testing.assert_array_equal(plain, weights[:, :narrow])


def test_a_block_of_another_width_is_refused():
    scores, limits = np.zeros((2, 5), np.float32), np.zeros(5, np.float32)
    with pytest.raises(ValueError, match="scores: expected rows and 8 columns, got 2 and 5 for 5"):
        _core.survey("baseline", scores, limits)
    with pytest.raises(ValueError, match="scores: expected rows and 8 columns, got 0 and 8 for 8"):
        _core.weigh("baseline", np.zeros((0, 8), np.float32), np.zeros(8, np.float32), 1.0)


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
