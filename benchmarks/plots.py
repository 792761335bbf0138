"""Draw the pictures of README.md and docs/ from the committed results."""

import json

from common import RESULTS
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, StrMethodFormatter

from ragtune import Report
from ragtune.plots import plot_report

PICTURES = RESULTS.parents[1] / "docs/pictures"
TEXT = "#3b4252"
# Okabe and Ito's colours, which the colour-blind tell apart; a marker each for print.
STYLES = {
    "ragtune": ("#000000", "o"),
    "faiss-cpu": ("#d55e00", "s"),
    "hnswlib": ("#e69f00", "^"),
    "usearch f32": ("#56b4e9", "v"),
    "usearch bf16": ("#0072b2", "D"),
    "usearch i8": ("#8a8a8a", "x"),
    "svs degree 32": ("#009e73", "P"),
    "svs degree 64": ("#cc79a7", "*"),
}
LOWEST = 0.85  # recall below which nobody would serve


def style_of(name):
    """Colour and marker of an engine, whatever its version."""
    family, _, rest = name.partition(" ")
    kind = rest.partition(" ")[2]
    return STYLES.get(f"{family} {kind}") or STYLES[family]


def worth_drawing(curve):
    """Points from LOWEST on that gain recall over all before them: more effort alone is no gain."""
    best = LOWEST
    for point in curve:
        if point["recall"] > best:
            best = point["recall"]
            yield point


def panel(axis, name, curves):
    """Recall on an axis that widens towards 1, queries a second on a logarithmic one."""
    for engine, curve in curves.items():
        points = list(worth_drawing(curve))
        color, marker = style_of(engine)
        ours = engine.startswith("ragtune")
        axis.plot(
            [max(1 - p["recall"], 5e-4) for p in points],
            [p["qps"] for p in points],
            color=color, marker=marker, label=engine,
            linewidth=3 if ours else 1.2, markersize=6 if ours else 4, zorder=3 if ours else 2,
        )  # fmt: skip
    axis.set_xscale("log")
    axis.set_yscale("log")
    axis.set_xlim(1 - LOWEST, 4e-4)
    ticks = [0.9, 0.95, 0.98, 0.99, 0.995, 0.999]
    axis.set_xticks([1 - t for t in ticks], [f"{t:g}" for t in ticks], fontsize=8)
    axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axis.minorticks_off()
    axis.axvline(1 - 0.995, color=TEXT, linewidth=0.6, linestyle=":")
    axis.set_title(name, fontsize=10, color=TEXT)
    axis.set_xlabel("recall@10", fontsize=9)
    axis.grid(alpha=0.25)
    axis.spines[["top", "right"]].set_visible(False)


def plot_hnsw(data):
    """A panel for each corpus, one legend for all."""
    columns = min(len(data), 2)
    rows = -(-len(data) // columns)
    figure = Figure(figsize=(5.2 * columns, 4 * rows + 0.7), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for axis, (name, measured) in zip(axes, data.items(), strict=False):
        panel(axis, name, measured["curves"])
    for axis in axes[::columns]:
        axis.set_ylabel("queries a second, one thread", fontsize=9)
    for axis in axes[len(data) :]:
        axis.remove()
    lines = axes[0].get_legend_handles_labels()
    figure.legend(*lines, loc="outside lower center", ncols=4, frameon=False, fontsize=8)
    return figure


def main():
    PICTURES.mkdir(exist_ok=True)
    drawn = {"demo": lambda f: plot_report(Report.from_json(json.dumps(f["report"])))}
    drawn["hnsw"] = lambda f: plot_hnsw(f["data"])
    for name, draw in drawn.items():
        path = RESULTS / f"{name}.json"
        if path.is_file():
            figures = json.loads(path.read_text())["figures"]
            draw(figures).savefig(PICTURES / f"{name}.png", dpi=120)


if __name__ == "__main__":
    main()
