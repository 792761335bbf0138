"""The one place where arrays of callers become what the core takes.

The core accepts C-contiguous arrays of its own dtypes and nothing else; what callers
hand over (lists, float64, float16, slices, read-only arrays) is checked and converted here.
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

MAX_DIMENSION = 65_536
MAX_K = 2**31 - 1


def as_matrix(value: ArrayLike, name: str, *, dimension: int | None = None) -> NDArray[np.float32]:
    """Return `value` as float32 of shape (n, d).

    Raises:
        TypeError: The dtype is not a real number's.
        ValueError: The shape is wrong, d is not `dimension`, or a value is not finite.
    """
    array = _real(value, name)
    if array.ndim != 2:
        raise ValueError(f"{name}: expected shape (n, d), got {array.shape}")
    if not 1 <= array.shape[1] <= MAX_DIMENSION:
        raise ValueError(f"{name}: expected 1 to {MAX_DIMENSION} dimensions, got {array.shape[1]}")
    if dimension is not None and array.shape[1] != dimension:
        raise ValueError(f"{name}: expected {dimension} dimensions, got {array.shape[1]}")
    if array.dtype == np.float32:
        matrix = np.ascontiguousarray(array)
    else:
        with np.errstate(over="ignore"):  # what overflows float32 is reported as not finite
            matrix = np.ascontiguousarray(array, dtype=np.float32)
    _check_finite(matrix, name)
    return matrix


def as_queries(value: ArrayLike, name: str, *, dimension: int) -> NDArray[np.float32]:
    """Return one query (d,) or several (nq, d) as float32 of shape (nq, d).

    Raises:
        TypeError: The dtype is not a real number's.
        ValueError: The shape is wrong or a value is not finite.
    """
    array = _real(value, name)
    return as_matrix(array[None] if array.ndim == 1 else array, name, dimension=dimension)


def as_ids(value: ArrayLike, name: str, *, count: int) -> NDArray[np.int64]:
    """Return `value` as int64 of shape (count,).

    Raises:
        TypeError: The dtype is not an integer's.
        ValueError: The shape is wrong.
    """
    array = np.asarray(value)
    if array.size == 0:
        array = array.astype(np.int64)
    if array.dtype.kind not in "iu":
        raise TypeError(f"{name}: expected integers, got {array.dtype}")
    if array.shape != (count,):
        raise ValueError(f"{name}: expected shape ({count},), got {array.shape}")
    return np.ascontiguousarray(array, dtype=np.int64)


def as_count(value: Any, name: str, *, least: int = 1, most: int = MAX_K) -> int:
    """Return `value` as an int in [least, most].

    Raises:
        TypeError: It is not an integer.
        ValueError: It is out of range.
    """
    if isinstance(value, bool):
        raise TypeError(f"{name}: expected an integer, got bool")
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{name}: expected an integer, got {type(value).__name__}") from None
    if not least <= number <= most:
        raise ValueError(f"{name}: expected in [{least}, {most}], got {number}")
    return number


def as_fraction(value: Any, name: str) -> float:
    """Return `value` as a float in [0, 1].

    Raises:
        TypeError: It is not a number.
        ValueError: It is out of range or NaN.
    """
    number = _number(value, name)
    if not 0 <= number <= 1:
        raise ValueError(f"{name}: expected in [0, 1], got {value}")
    return number


def as_recall(value: Any, name: str) -> float:
    """Return `value` as a float in (0, 1].

    Raises:
        TypeError: It is not a number.
        ValueError: It is out of range or NaN.
    """
    number = _number(value, name)
    if not 0 < number <= 1:
        raise ValueError(f"{name}: expected in (0, 1], got {value}")
    return number


def unit_rows(matrix: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rows divided by their length, shape (n, d); a zero row stays zero."""
    lengths = np.sqrt(np.einsum("ij,ij->i", matrix, matrix, dtype=np.float64))
    lengths[lengths == 0] = 1
    return np.ascontiguousarray((matrix / lengths[:, None]).astype(np.float32))


def _number(value: Any, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float, np.floating, np.integer)):
        raise TypeError(f"{name}: expected a number, got {type(value).__name__}")
    return float(value)


def _real(value: ArrayLike, name: str) -> NDArray[Any]:
    try:
        array = np.asarray(value)
    except ValueError as error:  # rows of different lengths
        raise ValueError(f"{name}: expected rows of equal length: {error}") from None
    if array.dtype.kind not in "fiu":
        raise TypeError(f"{name}: expected real numbers, got {array.dtype}")
    return array


def _check_finite(matrix: NDArray[np.float32], name: str) -> None:
    with np.errstate(invalid="ignore"):  # Inf - Inf
        total = matrix.sum(dtype=np.float64)
    if np.isfinite(total):  # one pass: NaN and Inf survive a sum
        return
    bad = np.argwhere(~np.isfinite(matrix))
    if len(bad):
        row, column = bad[0]
        got = matrix[row, column]
        raise ValueError(f"{name}: expected finite values, got {got} in row {row}, column {column}")
