"""Pictures of reports. The only module that imports matplotlib."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ragtune.report import Report, Slice

BEFORE, AFTER, TEXT = "#b8bfc8", "#2f6fde", "#3b4252"


def plot_report(report: Report) -> Figure:
    """Before and after of each metric, a panel per slice; the bracket is the 95 % interval.

    Raises:
        ImportError: matplotlib is not installed.
    """
    slices = report.slices
    figure = _figure_class()(figsize=(3.6 * len(slices), 3.4), layout="constrained")
    axes = figure.subplots(1, len(slices), sharey=True, squeeze=False)[0]
    for axis, (name, part) in zip(axes, slices.items(), strict=True):
        _panel(axis, name, part)
    axes[0].set_ylabel("score, %")
    axes[0].legend(frameon=False, fontsize=8, loc="upper left")
    figure.suptitle(f"{report.verdict.decision}: {report.verdict.reason}", fontsize=9, color=TEXT)
    return figure


def _figure_class() -> type[Figure]:
    """A figure that a notebook shows without pyplot, whose global state we leave alone."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError('plots need matplotlib: pip install "ragtune[plot]"') from error

    class Picture(Figure):
        def _repr_png_(self) -> bytes:
            buffer = io.BytesIO()
            self.savefig(buffer, format="png", dpi=110)
            return buffer.getvalue()

    return Picture


def _panel(axis: Axes, name: str, part: Slice) -> None:
    metrics = list(part.changes)
    for x, metric in enumerate(metrics):
        change = part[metric]
        before, after = 100 * change.before, 100 * change.after
        axis.bar(x - 0.2, before, 0.38, color=BEFORE, label="before" if x == 0 else None)
        axis.bar(x + 0.2, after, 0.38, color=AFTER, label="after" if x == 0 else None)
        low, high = before + 100 * change.lower, before + 100 * change.upper
        axis.errorbar(
            x + 0.2, after, [[max(after - low, 0)], [max(high - after, 0)]], color=TEXT, capsize=2
        )
        axis.text(x, max(after, high) + 1.5, f"{after - before:+.1f}", ha="center", fontsize=8)
    axis.set_xticks(range(len(metrics)), metrics, rotation=35, ha="right", fontsize=8)
    axis.set_title(f"{name} ({part.queries:,} questions)", fontsize=9, color=TEXT)
    axis.spines[["top", "right"]].set_visible(False)
    axis.set_ylim(0, 100)
