"""The one place where texts, ids and metadata of callers are checked."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from ragtune.types import Pair


def strings(values: Sequence[str], name: str, count: int | None = None) -> Sequence[str]:
    """Return values if they are str, `count` of them.

    Raises:
        TypeError: It is one string, or an item is not a string.
        ValueError: There are more or fewer.
    """
    if isinstance(values, str):
        raise TypeError(f"{name}: expected a sequence of str, got str")
    for number, value in enumerate(values):
        if not isinstance(value, str):
            raise TypeError(f"{name}[{number}]: expected str, got {type(value).__name__}")
    if count is not None and len(values) != count:
        raise ValueError(f"{name}: expected {count} values, got {len(values)}")
    return values


def storable(values: Sequence[str], name: str, count: int | None = None) -> Sequence[str]:
    """Return values if they are text that a store can hold, `count` of them.

    Raises:
        TypeError: It is one string, or an item is not a string.
        ValueError: There are more or fewer, or half of a surrogate pair is among them.
    """
    for number, value in enumerate(strings(values, name, count)):
        fault = fault_of(value)
        if fault:
            raise ValueError(f"{name}[{number}]: {fault}")
    return values


def fault_of(text: str) -> str | None:
    """Why a text has no UTF-8, None if it has."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        return f"expected text, got half of a surrogate pair at character {error.start}"
    return None


def ids_of(ids: Sequence[str], count: int) -> Sequence[str]:
    """Return ids if they are distinct names, `count` of them.

    Raises:
        TypeError: An id is not a string.
        ValueError: An id is empty, repeated or no UTF-8, or there are more or fewer.
    """
    seen = set()
    for number, id_ in enumerate(storable(ids, "ids", count)):
        if not id_:
            raise ValueError(f"ids[{number}]: expected a name, got an empty string")
        if id_ in seen:
            raise ValueError(f"ids[{number}]: expected distinct ids, got {id_!r} twice")
        seen.add(id_)
    return ids


def metadata_of(
    metadatas: Sequence[Mapping[str, Any]] | None, count: int
) -> Sequence[Mapping[str, Any]]:
    """Return one mapping per chunk, empty ones for None.

    Raises:
        TypeError: An item is not a mapping.
        ValueError: There are more or fewer.
    """
    if metadatas is None:
        return [{}] * count
    if len(metadatas) != count:
        raise ValueError(f"metadatas: expected {count} mappings, got {len(metadatas)}")
    for number, metadata in enumerate(metadatas):
        if not isinstance(metadata, Mapping):
            raise TypeError(
                f"metadatas[{number}]: expected a mapping, got {type(metadata).__name__}"
            )
        try:
            json.dumps(dict(metadata), allow_nan=False)
        except (TypeError, ValueError) as error:
            raise TypeError(f"metadatas[{number}]: expected what JSON can hold: {error}") from None
    return metadatas


def pairs_of(pairs: Iterable[Pair]) -> list[Pair]:
    """Return the pairs as a list.

    Raises:
        TypeError: An item is not a `Pair`.
        ValueError: A question is empty or no UTF-8, or a relevance not finite.
    """
    checked = list(pairs)
    for number, pair in enumerate(checked):
        if not isinstance(pair, Pair):
            raise TypeError(f"pairs[{number}]: expected Pair, got {type(pair).__name__}")
        if not isinstance(pair.question, str) or not pair.question.strip():
            raise ValueError(f"pairs[{number}]: expected a question, got {pair.question!r}")
        fault = fault_of(pair.question)
        if fault:
            raise ValueError(f"pairs[{number}].question: {fault}")
        if not np.isfinite(pair.relevance):
            raise ValueError(f"pairs[{number}]: expected a finite relevance, got {pair.relevance}")
    return checked
