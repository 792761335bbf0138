"""Ways of learning an adapter, one module each; others can be plugged in.

A strategy is what `ragtune.types.Strategy` says. An installed package offers one under the entry
point group `ragtune.strategies`; names of our own cannot be taken.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import entry_points
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ragtune import _core
from ragtune.arrays import unit_rows
from ragtune.strategies.contrastive import Contrastive, LowRank, Mlp
from ragtune.strategies.kernel_ridge import KernelRidge
from ragtune.strategies.ridge import Ridge
from ragtune.training_data import TrainingData
from ragtune.types import Strategy

GROUP = "ragtune.strategies"
ALPHAS = (0.25, 0.5, 0.75, 1.0, 1.25)
OWN: dict[str, Any] = {
    "ridge": Ridge,
    "kernel_ridge": KernelRidge,
    "contrastive": Contrastive,
    "low_rank": LowRank,
    "mlp": Mlp,
}
MAY_BE_0 = ("contrast", "linear", "ridge_share", "sentences")
PLANS = ("auto", "fusion", "nudge", "identity")  # what `tuning` makes of strategies and legs

Floats = NDArray[np.float32]
Grid = Mapping[str, tuple[Any, ...]]


def names() -> list[str]:
    """Everything that `fit(strategy=...)` knows."""
    plugged = {point.name for point in entry_points(group=GROUP)}
    return [*PLANS, *OWN, *sorted(plugged - set(OWN) - set(PLANS))]


def load(name: str) -> Strategy:
    """The strategy of that name.

    Raises:
        ValueError: There is none; the message names those that there are.
    """
    if name in OWN:
        own: Strategy = OWN[name]()
        return own
    for point in entry_points(group=GROUP):
        if point.name == name and name not in PLANS:
            plugged: Strategy = point.load()()
            return plugged
    raise ValueError(f"strategy: expected one of {', '.join(names())}, got {name!r}")


def grid_of(
    strategy: Strategy, data: TrainingData, given: Mapping[str, Any]
) -> tuple[Grid, tuple[float, ...]]:
    """Values to choose from for each hyperparameter, the user's where given; and the alphas.

    What is given and the strategy does not know is left to others.

    Raises:
        ValueError: A number is not above 0.
    """
    grid = {"alpha": ALPHAS, **strategy.default_hyperparameters(data)}
    for name, value in given.items():
        if name in grid:
            grid[name] = _values(name, value, grid[name])
    return grid, grid.pop("alpha")


def _values(name: str, given: Any, default: tuple[Any, ...]) -> tuple[Any, ...]:
    """What the user gave, as a tuple of the kind that the defaults are of."""
    values = tuple(given) if isinstance(given, list | tuple | np.ndarray) else (given,)
    whole = all(isinstance(value, int) for value in default)
    kind, told = (int | np.integer, "integers") if whole else (int | float | np.number, "numbers")
    where = "of at least 0" if name in MAY_BE_0 else "above 0"
    for value in values:
        if isinstance(value, bool) or not isinstance(value, kind):
            raise TypeError(f"hyperparameters[{name!r}]: expected {told}, got {given!r}")
        if not np.isfinite(value) or value < 0 or (value == 0 and name not in MAY_BE_0):
            raise ValueError(f"hyperparameters[{name!r}]: expected numbers {where}, got {given!r}")
    if not values:
        raise ValueError(f"hyperparameters[{name!r}]: expected a value, got none")
    return values


def settings(grid: Grid) -> list[dict[str, Any]]:
    """Every combination of a grid, the last name changing fastest."""
    return [dict(zip(grid, values, strict=True)) for values in product(*grid.values())]


def adapted(strategy: Strategy, data: TrainingData, queries: Floats, grid: Grid) -> Floats:
    """Queries (m, d) as trained under every setting, (settings, m, d), not of unit length."""
    at_once = getattr(strategy, "adapted", None)
    if at_once is not None:
        return np.asarray(at_once(data, queries, grid))
    blocks = [strategy.train(data, setting, None, None) for setting in settings(grid)]
    return np.stack([moved(adapter, queries) for adapter in blocks])


def moved(adapter: Any, queries: Floats) -> Floats:
    """Queries under an adapter, before they are brought to unit length if it can tell."""
    if isinstance(adapter, _core.Adapter):
        return np.asarray(adapter.moved(queries))
    try:
        return np.asarray(queries @ adapter.matrix())
    except (AttributeError, ValueError):  # it has no matrix
        return np.asarray(adapter.apply(queries))


class Applied:
    """What a plug-in returned, with what `Model` asks of an adapter; it cannot be saved."""

    kind = "plug-in"
    is_identity = False

    def __init__(self, adapter: Any, dimensions: int) -> None:
        """Wrap an object with `apply`."""
        self._adapter = adapter
        self.dimensions = dimensions

    def apply(self, queries: Floats) -> Floats:
        """Adapted queries (m, d) of unit length."""
        adapted = np.asarray(self._adapter.apply(queries), dtype=np.float32)
        return unit_rows(np.ascontiguousarray(adapted))

    def matrices(self) -> dict[str, Floats]:
        """Nothing that a file could hold."""
        raise ValueError("adapter: expected one of ragtune's own to be saved, got a plug-in's")


def as_adapter(adapter: Any, dimensions: int) -> Any:
    """The adapter as `Model` takes it: ours as it is, a plug-in's by its matrix or wrapped."""
    if isinstance(adapter, _core.Adapter):
        return adapter
    if hasattr(adapter, "matrix"):
        matrix = np.ascontiguousarray(adapter.matrix(), dtype=np.float32)
        return _core.Adapter.linear(matrix)
    return Applied(adapter, dimensions)
