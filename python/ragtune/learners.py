"""What may learn an adapter, and how every candidate of it does out of fold."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ragtune import strategies
from ragtune.crossfit import Outcome, cross_fit
from ragtune.strategies.kernel_ridge import LINEAR, KernelRidge
from ragtune.training_data import TrainingData
from ragtune.types import Strategy

MANY = 2_000  # queries from which `auto` also tries the contrastive learner
MOST_FOR_A_KERNEL = 20_000  # queries: of more, a thousand centres know too few


@dataclass(frozen=True, slots=True)
class Learner:
    """A strategy with the values of its hyperparameters to choose from, and those users gave."""

    strategy: Strategy
    grid: strategies.Grid
    alphas: tuple[float, ...]
    given: frozenset[str] = frozenset()

    def adapted(self, data: TrainingData, queries: NDArray[np.float32]) -> NDArray[np.float32]:
        """Queries under every setting."""
        return strategies.adapted(self.strategy, data, queries, self.grid)

    def settings(self) -> list[dict[str, Any]]:
        """Every combination of values that it tries."""
        return strategies.settings(self.grid)

    def beside_legs(self) -> Learner:
        """A kernel as the full model takes it: with a linear part, and without sentences.

        Single documents are known to the stored questions, too, and sentences to legs of theirs.
        """
        grid = self.grid if "linear" in self.given else {**self.grid, "linear": (LINEAR,)}
        return replace(self, grid=grid).only("sentences", 0)

    def only(self, name: str, value: Any) -> Learner:
        """The same with one value of a hyperparameter, if that is among those that it tries."""
        if value not in self.grid.get(name, ()):
            return self
        return replace(self, grid={**self.grid, name: (value,)})


def learners_of(
    strategy: str, data: TrainingData, hyperparameters: Mapping[str, Any]
) -> list[Learner]:
    """What `strategy` tries; of `auto` ridge and kernel ridge take the hyperparameters they know.

    Raises:
        ValueError: A name is unknown, or the strategy does not suit the data.
    """
    count = len(data.queries)
    climbed = [
        "ridge",
        *(["contrastive"] if count >= MANY else []),
        *(["kernel_ridge"] if count <= MOST_FOR_A_KERNEL else []),
    ]
    plans = {"auto": climbed, "fusion": [], "identity": [], "nudge": []}
    names: list[str] = plans.get(strategy, [strategy])
    # auto knows the hyperparameters of a kernel also where it is not tried
    takers = [names[0], KernelRidge.name] if strategy == "auto" else names
    loaded = {name: strategies.load(name) for name in {*names, *takers}}
    for name in names:
        loaded[name].validate(data)
    known = {
        key for name in takers for key in {*loaded[name].default_hyperparameters(data), "alpha"}
    }
    if unknown := sorted(set(hyperparameters) - known):
        expected = f"among {sorted(known)}" if known else "none"
        raise ValueError(f"hyperparameters: expected {expected} for {strategy}, got {unknown}")
    given = {name: hyperparameters if name in takers else {} for name in names}
    return [
        Learner(
            loaded[name],
            *strategies.grid_of(loaded[name], data, given[name]),
            given=frozenset(given[name]),
        )
        for name in names
    ]


@dataclass(frozen=True, slots=True)
class Tried:
    """Every candidate of every learner on questions that it did not learn from, by slice."""

    learners: Sequence[Learner]
    seen: Outcome | None
    unseen: Outcome | None

    @classmethod
    def all(
        cls,
        data: TrainingData,
        learners: Sequence[Learner],
        folds: tuple[list[Any], list[Any]],
        tick: Callable[[], None],
    ) -> Tried:
        """Cross-fit the learners on both slices."""
        alphas = learners[0].alphas if learners else ()
        ways = [learner.adapted for learner in learners]
        seen, unseen = (cross_fit(data, part, ways, alphas, tick) for part in folds)
        return cls(learners, seen, unseen)

    def among(self, learners: Sequence[Learner]) -> Tried:
        """The same with some of the learners, in their order, or some of their settings."""
        wanted = {learner.strategy.name: learner.settings() for learner in learners}
        kept = [
            setting in wanted.get(learner.strategy.name, ())
            for learner in self.learners
            for setting in learner.settings()
        ]
        if all(kept):
            return self
        numbers = np.flatnonzero(kept)
        seen, unseen = (None if part is None else part.only(numbers) for part in self.slices)
        return Tried(learners, seen, unseen)

    @property
    def slices(self) -> tuple[Outcome | None, Outcome | None]:
        """The seen and the unseen one."""
        return self.seen, self.unseen
