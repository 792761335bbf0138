"""Conditions on the metadata of chunks, as mappings.

    {"tenant": "acme", "year": {"$gte": 2024}}                  all of them
    {"$or": [{"lang": "de"}, {"$not": {"draft": {"$eq": True}}}]}

A chunk that lacks the key passes `$ne` and `$nin`, and no other comparison. Values are compared
only with their like: numbers with numbers, strings with strings, booleans with booleans. Where a
chunk's value is a list, `$contains` asks for one of its items. An operator that is not known is an
error, and never a filter that lets everything through.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
Test = Callable[[Any], bool]
"""Of one value, `MISSING` where a chunk has none."""
Column = Callable[[str, Test], Mask]
"""(key, test) -> which chunks pass, (n,)."""
Condition = Callable[[Column], Mask]


class _Missing:
    def __repr__(self) -> str:
        return "MISSING"


MISSING = _Missing()


def condition(filter_: Mapping[str, Any], name: str = "filter") -> Condition:
    """What a filter asks, checked.

    Raises:
        TypeError: It is not a mapping, or an operand is of a kind that the operator cannot take.
        ValueError: It is empty, or an operator is unknown.
    """
    if not isinstance(filter_, Mapping):
        raise TypeError(f"{name}: expected a mapping, got {type(filter_).__name__}")
    if not filter_:
        raise ValueError(f"{name}: expected a condition, got an empty mapping; None is no filter")
    return _all([_part(key, value, f"{name}[{key!r}]") for key, value in filter_.items()])


def _part(key: str, value: Any, name: str) -> Condition:
    if not isinstance(key, str):
        raise TypeError(f"{name}: expected a key of type str, got {type(key).__name__}")
    if key in ("$and", "$or"):
        if isinstance(value, str | Mapping) or not isinstance(value, Sequence) or not value:
            raise TypeError(f"{name}: expected a list of filters, got {value!r}")
        parts = [condition(part, f"{name}[{i}]") for i, part in enumerate(value)]
        return _all(parts) if key == "$and" else _any(parts)
    if key == "$not":
        inner = condition(value, name)
        return lambda column: ~inner(column)
    if key.startswith("$"):
        raise ValueError(f"{name}: expected one of $and, $or, $not, got {key}")
    if not isinstance(value, Mapping):
        value = {"$eq": value}
    if not value:
        raise ValueError(f"{name}: expected an operator, got an empty mapping")
    return _all([_compared(key, op, operand, f"{name}[{op!r}]") for op, operand in value.items()])


def _compared(key: str, operator: str, operand: Any, name: str) -> Condition:
    if operator == "$not":
        if not isinstance(operand, Mapping):
            raise TypeError(f"{name}: expected operators, got {operand!r}")
        inner = _part(key, operand, name)
        return lambda column: ~inner(column)
    if operator not in OPERATORS:
        raise ValueError(f"{name}: expected one of {', '.join(OPERATORS)}, $not, got {operator!r}")
    test = OPERATORS[operator](operand, name)
    return lambda column: column(key, test)


def _all(parts: Sequence[Condition]) -> Condition:
    return lambda column: np.logical_and.reduce([part(column) for part in parts])


def _any(parts: Sequence[Condition]) -> Condition:
    return lambda column: np.logical_or.reduce([part(column) for part in parts])


# -- operators --------------------------------------------------------------------------------


def _kind(value: Any) -> str:
    if isinstance(value, bool | np.bool_):
        return "bool"
    if isinstance(value, int | float | np.number):
        return "number"
    return type(value).__name__


def same(one: Any, other: Any) -> bool:
    """Equality that knows 1 from True; lists and mappings are compared whole."""
    return _kind(one) == _kind(other) and bool(one == other)


def _equal(operand: Any, name: str) -> Test:
    return lambda value: same(value, operand)


def _unequal(operand: Any, name: str) -> Test:
    return lambda value: not same(value, operand)


def _items(operand: Any, name: str) -> list[Any]:
    if isinstance(operand, str | Mapping) or not isinstance(operand, Sequence | set | frozenset):
        raise TypeError(f"{name}: expected a list, got {operand!r}")
    return list(operand)


def _among(operand: Any, name: str) -> Test:
    items = _items(operand, name)
    return lambda value: any(same(value, item) for item in items)


def _not_among(operand: Any, name: str) -> Test:
    found = _among(operand, name)
    return lambda value: not found(value)


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[[Any, str], Test]:
    def of(operand: Any, name: str) -> Test:
        kind = _kind(operand)
        if kind not in ("number", "str"):
            raise TypeError(f"{name}: expected a number or a string, got {operand!r}")
        return lambda value: _kind(value) == kind and compare(value, operand)

    return of


def _contains(operand: Any, name: str) -> Test:
    def test(value: Any) -> bool:
        return isinstance(value, list) and any(same(item, operand) for item in value)

    return test


def _exists(operand: Any, name: str) -> Test:
    if not isinstance(operand, bool):
        raise TypeError(f"{name}: expected True or False, got {operand!r}")
    return lambda value: (value is not MISSING) == operand


OPERATORS: dict[str, Callable[[Any, str], Test]] = {
    "$eq": _equal,
    "$ne": _unequal,
    "$gt": _ordered(lambda a, b: a > b),
    "$gte": _ordered(lambda a, b: a >= b),
    "$lt": _ordered(lambda a, b: a < b),
    "$lte": _ordered(lambda a, b: a <= b),
    "$in": _among,
    "$nin": _not_among,
    "$contains": _contains,
    "$exists": _exists,
}
