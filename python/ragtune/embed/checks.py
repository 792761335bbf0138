"""What every embedder checks: the texts that come in and the vectors that go out."""

import importlib
import os
from collections.abc import Sequence
from types import ModuleType

import numpy as np
from numpy.typing import NDArray


def require(module: str, extra: str) -> ModuleType:
    """Import an optional dependency.

    Args:
        module: Name of the module.
        extra: The extra of ragtune that brings it.

    Returns:
        The module.

    Raises:
        ImportError: It is not installed; the message names the command that installs it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ImportError(
            f'{module} could not be imported ({error}): run pip install "ragtune[{extra}]"',
            name=module,
        ) from error


def openai_server(base_url: str | None, api_key: str | None) -> tuple[str | None, str]:
    """Address and key of a server that speaks OpenAI's API; None is OpenAI's own.

    Args:
        base_url: The server, or the environment's OPENAI_BASE_URL.
        api_key: The key, or the environment's OPENAI_API_KEY; a named server may need none.

    Raises:
        ValueError: There is no key.
    """
    url = base_url or os.environ.get("OPENAI_BASE_URL") or None
    key = api_key or os.environ.get("OPENAI_API_KEY") or ("none" if url else "")
    if not key:
        raise ValueError("api_key: expected a key or OPENAI_API_KEY in the environment")
    return url, key


def check_texts(texts: Sequence[str]) -> list[str]:
    """Return the texts as a list.

    Raises:
        TypeError: `texts` is one string, or an item is not a string (its index is named).
    """
    if isinstance(texts, str):
        raise TypeError("texts: expected a sequence of str, got one str")
    checked = list(texts)
    for row, text in enumerate(checked):
        if not isinstance(text, str):
            raise TypeError(f"texts[{row}]: expected str, got {type(text).__name__}")
    return checked


def unit_rows(
    vectors: object, count: int, dimension: int | None, source: str
) -> NDArray[np.float32]:
    """Check what an embedder answered and scale its rows to length 1.

    Args:
        vectors: Array-like of shape (n, d).
        count: n, the number of texts that were sent.
        dimension: d, or None if any will do.
        source: Who answered, for the message.

    Returns:
        Array of shape (n, d); a row of zeros stays zero.

    Raises:
        ValueError: The shape is another one, or a number is NaN or infinite.
    """
    try:
        rows = np.asarray(vectors).astype(np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{source}: expected numbers of shape (n, d), got {error}") from error
    if count == 0 and rows.size == 0:
        return np.zeros((0, dimension or 0), dtype=np.float32)
    if rows.ndim != 2:
        raise ValueError(f"{source}: expected shape ({count}, d), got {rows.shape}")
    if len(rows) != count:
        raise ValueError(f"{source}: expected {count} vectors, got {len(rows)}")
    if rows.shape[1] == 0 or (dimension is not None and rows.shape[1] != dimension):
        raise ValueError(f"{source}: expected dimension {dimension or '>= 1'}, got {rows.shape[1]}")
    if not np.isfinite(rows).all():
        row, column = np.argwhere(~np.isfinite(rows))[0]
        raise ValueError(
            f"{source}: expected finite numbers, got {rows[row, column]} "
            f"at row {row}, column {column}"
        )
    return _normalized(rows)


def _normalized(rows: NDArray[np.float64]) -> NDArray[np.float32]:
    """Divide by the largest number first, so that no square over- or underflows."""
    largest = np.abs(rows).max(axis=1, keepdims=True)
    rows = rows / np.where(largest > 0, largest, 1.0)
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.where(norms > 0, norms, 1.0), dtype=np.float32)
