"""Fuse all legs over the adapter that serves them best, and judge what came of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ragtune import gate
from ragtune.adapters import Adapters
from ragtune.evaluation import Scores
from ragtune.fusion import Fusion
from ragtune.judged_table import Table, tabulate
from ragtune.learners import Tried
from ragtune.legs import Sources
from ragtune.report import Judged, Report, compare, query_changes
from ragtune.stacking import LADDER, Stacked, bolder, control_scores, stack
from ragtune.strategies.kernel_ridge import KernelRidge
from ragtune.training_data import TrainingData

STEPS = ("fixed mix", "fusion") + ("fusion with stored questions",) * (LADDER - 2)


def fuse(
    data: TrainingData,
    sources: Sources,
    trained: tuple[Tried, Adapters],
    coverage: float,
    seed: int,
    tick: Callable[[], None],
) -> tuple[Adapters, Table, Stacked]:
    """Legs over the best linear adapter, or over the best kernel where that gains more.

    What sentences taught is left to the query adapter: there are legs of them.
    """
    tried, best = trained
    kernels = [own for own in tried.learners if own.strategy.name == KernelRidge.name]
    linear = tried.among([own for own in tried.learners if own not in kernels])
    plain = best if linear is tried else Adapters.chosen(data, linear, coverage, seed)
    table, stacked = _stacked(data, sources, plain, coverage, tick)
    if not kernels:
        return plain, table, stacked
    seen, unseen = ([] if part is None else list(part.folds) for part in tried.slices)
    beside = Tried.all(data, [own.beside_legs() for own in kernels], (seen, unseen), tick)
    curved = Adapters.chosen(data, beside, coverage, seed)
    if curved.report.strategy != KernelRidge.name:
        return plain, table, stacked
    wider, bold = _stacked(data, sources, curved, coverage, tick)
    taken, says = bolder(table, stacked, bold, coverage)
    after = {m: np.where(says, bold.after[m], own) for m, own in stacked.after.items()}
    if taken:
        return curved, wider, replace(bold, after=after)
    return plain, table, replace(stacked, after=after)


def _stacked(
    data: TrainingData,
    sources: Sources,
    adapters: Adapters,
    coverage: float,
    tick: Callable[[], None],
) -> tuple[Table, Stacked]:
    slices = [adapters.seen, adapters.unseen]
    both = all(len(part.queries) for part in slices)
    table = tabulate(data, sources, slices, coverage, with_memory=both)
    tick()
    return table, stack(table, coverage, tick)


def fusion_report(
    data: TrainingData,
    sources: Sources,
    judged: tuple[Table, Stacked],
    adapters: Adapters,
    coverage: float,
    seed: int,
) -> Report:
    """The chosen way against the best safe baseline, both out of fold."""
    table, stacked = judged
    sides = _sides(data, table, stacked.before, stacked.after)
    slices = compare(*sides, coverage=coverage, seed=seed)
    frozen = _sides(data, table, stacked.frozen, stacked.after)
    beside = compare(*frozen, coverage=coverage, seed=seed)[2]
    verdict = gate.judge(slices[2], slices[1], None, beside)
    control = None
    if verdict.decision == "promote":  # else it could not change the verdict
        shuffled = control_scores(data, sources, (table, stacked), adapters.controls(data))
        control = compare(
            *_sides(data, table, shuffled, stacked.after), coverage=coverage, seed=seed
        )[2]
        verdict = gate.judge(slices[2], slices[1], control, beside)
    if verdict.decision != "promote":  # then the mix serves
        mix = _sides(data, table, stacked.frozen, stacked.before)
        beside = compare(*mix, coverage=coverage, seed=seed)[2]
    own = adapters.report
    return Report(
        *slices,
        coverage=coverage,
        verdict=verdict,
        control=control,
        frozen=beside,
        strategy=STEPS[stacked.step],
        hyperparameters={"adapter": own.strategy, **own.hyperparameters} | _described(stacked),
        seed=seed,
        queries=query_changes(*sides, data.asked, data.query_texts),
    )


def _sides(
    data: TrainingData, table: Table, before: Scores, after: Scores
) -> tuple[Judged, Judged]:
    """Both slices of a comparison."""

    def one(side: NDArray[np.bool_]) -> Judged:
        first, second = ({name: v[side] for name, v in s.items()} for s in (before, after))
        queries = table.queries[side]
        return Judged(first, second, data.query_groups[queries], queries)

    return one(table.is_seen), one(~table.is_seen)


def _described(stacked: Stacked) -> dict[str, Any]:
    fusion: Fusion = stacked.fusion
    weights = {
        name: round(float(w), 4) for name, w in zip(fusion.names, fusion.weights, strict=True)
    }
    baseline = {
        name: round(float(w), 4)
        for name, w in zip(fusion.names, stacked.baseline.weights, strict=True)
        if w
    }
    described: dict[str, Any] = {"weights": weights, "baseline": baseline}
    if fusion.seen is not None:
        described["trust_shift"] = fusion.seen.shift
    return described
