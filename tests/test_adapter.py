import numpy as np
import oracle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragtune import _core


def normal(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


@given(nq=st.integers(1, 30), d=st.integers(1, 80), seed=st.integers(0, 100))
@settings(max_examples=40, deadline=None)
def test_linear_agrees_with_numpy(nq, d, seed):
    queries, w = normal(seed, nq, d), np.eye(d, dtype=np.float32) + 0.1 * normal(seed + 1, d, d)
    adapted = _core.Adapter.linear(w).apply(queries)
    np.testing.assert_allclose(adapted, oracle.unit(queries.astype(np.float64) @ w), atol=1e-5)


def test_one_query_and_a_batch_agree():
    queries, adapter = normal(0, 20, 33), _core.Adapter.linear(normal(1, 33, 33))
    one_by_one = np.concatenate([adapter.apply(queries[i : i + 1]) for i in range(20)])
    np.testing.assert_allclose(adapter.apply(queries), one_by_one, atol=1e-6)


def test_identity_only_brings_to_unit_length():
    queries = normal(0, 5, 7)
    np.testing.assert_allclose(
        _core.Adapter.identity(7).apply(queries), oracle.unit(queries), atol=1e-7
    )


def test_zero_query_stays_zero():
    assert not _core.Adapter.linear(normal(0, 4, 4)).apply(np.zeros((1, 4), np.float32)).any()


def test_matrix_comes_back():
    w = normal(0, 6, 6)
    np.testing.assert_array_equal(_core.Adapter.linear(w).matrix(), w)
    np.testing.assert_array_equal(_core.Adapter.identity(3).matrix(), np.eye(3))


def gelu(x):
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def some(kind, d=5, width=3):
    """An adapter of a kind, and what it makes of queries before they get unit length."""
    a, b, bias = normal(0, d, width), normal(1, width, d), normal(2, 1, width)
    centres, falls = oracle.unit(normal(3, width, d)).astype(np.float32), np.float32(2.5)
    matrices = {
        "linear": {"m": a @ b},
        "low_rank": {"a": a, "b": b},
        "mlp": {"a": a, "bias": bias, "b": b},
        "kernel": {"centres": centres, "shifts": b, "sharpness": np.full((1, 1), falls)},
    }[kind.removesuffix(" over m")]
    under = normal(4, d, d) if kind == "kernel over m" else np.zeros((d, d), np.float32)
    if under.any():
        matrices = matrices | {"m": under}

    def moved(q):
        if kind.startswith("kernel"):
            q = oracle.unit(q)
            return q + q @ under + np.exp(falls * (q @ centres.T - 1)) @ b
        return q + (gelu(q @ a + bias) if kind == "mlp" else q @ a) @ b

    return _core.Adapter.residual(kind.split()[0], matrices), moved


KINDS = "linear", "low_rank", "mlp", "kernel", "kernel over m"


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_does_what_it_says(kind):
    adapter, moved = some(kind)
    queries = normal(9, 7, 5)
    expected = moved(queries.astype(np.float64))
    np.testing.assert_allclose(adapter.moved(queries), expected, atol=1e-5)
    np.testing.assert_allclose(adapter.apply(queries), oracle.unit(expected), atol=1e-5)
    np.testing.assert_allclose(adapter.apply(queries[:1]), oracle.unit(expected)[:1], atol=1e-5)
    assert not adapter.apply(np.zeros((1, 5), np.float32)).any() or kind == "mlp"


@pytest.mark.parametrize("kind", KINDS)
def test_matrices_come_back(kind):
    adapter, _ = some(kind)
    again = _core.Adapter.residual(adapter.kind, adapter.matrices())
    assert (again.kind, again.dimensions, again.is_identity) == (kind.split()[0], 5, False)
    np.testing.assert_allclose(
        again.moved(normal(9, 7, 5)), adapter.moved(normal(9, 7, 5)), atol=1e-6
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0, 1.25])
def test_shrinks_to_the_identity(kind, alpha):
    adapter, moved = some(kind)
    queries = oracle.unit(normal(9, 7, 5)).astype(np.float32)
    expected = queries + alpha * (moved(queries.astype(np.float64)) - queries)
    np.testing.assert_allclose(adapter.shrunk(alpha).moved(queries), expected, atol=1e-5)
    assert _core.Adapter.identity(3).shrunk(alpha).is_identity


def test_a_kernel_does_not_ask_how_long_a_query_is():
    adapter, _ = some("kernel")
    queries = normal(9, 7, 5)
    np.testing.assert_allclose(adapter.apply(100 * queries), adapter.apply(queries), atol=1e-6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"centres": None}, "centres: expected a matrix, got none"),
        (
            {"centres": np.zeros((0, 5), np.float32)},
            r"centres: expected shape \(1, 5\), got \(0, 5\)",
        ),
        ({"shifts": normal(0, 3, 4)}, r"shifts: expected shape \(3, 5\), got \(3, 4\)"),
        ({"shifts": np.full((3, 5), np.inf, np.float32)}, "shifts: expected finite values"),
        ({"sharpness": normal(0, 2, 1)}, r"sharpness: expected shape \(1, 1\), got \(2, 1\)"),
        ({"sharpness": np.zeros((1, 1), np.float32)}, "sharpness: expected > 0, got 0"),
        ({"m": normal(0, 5, 4)}, r"m: expected shape \(5, 5\), got \(5, 4\)"),
        ({"m": np.full((5, 5), np.nan, np.float32)}, "m: expected finite values"),
        ({"bias": normal(0, 1, 3)}, "matrices: expected centres, shifts, sharpness and perhaps m"),
    ],
)
def test_rejects_kernels(change, message):
    given = some("kernel")[0].matrices() | change
    with pytest.raises(ValueError, match=message):
        _core.Adapter.residual("kernel", {n: m for n, m in given.items() if m is not None})


def test_rejects_alphas_and_unknown_kinds():
    with pytest.raises(ValueError, match="alpha: expected a finite number, got nan"):
        _core.Adapter.identity(3).shrunk(float("nan"))
    with pytest.raises(ValueError, match="kind: expected linear, low_rank or mlp, got odd"):
        _core.Adapter.residual("odd", {})
    with pytest.raises(ValueError, match="expected a linear or low_rank adapter, got kernel"):
        some("kernel")[0].matrix()


@pytest.mark.parametrize(
    ("w", "message"),
    [
        (np.zeros((2, 3), np.float32), r"w: expected shape \(d, d\), got \(2, 3\)"),
        (np.zeros((0, 0), np.float32), r"w: expected shape \(d, d\), got \(0, 0\)"),
        (np.full((2, 2), np.nan, np.float32), "w: expected finite values"),
    ],
)
def test_rejects_matrix(w, message):
    with pytest.raises(ValueError, match=message):
        _core.Adapter.linear(w)


def test_rejects_queries_of_another_dimension():
    with pytest.raises(ValueError, match="queries: expected 3 dimensions, got 4"):
        _core.Adapter.identity(3).apply(np.zeros((1, 4), np.float32))
