"""Tables and verdicts, for a terminal of 80 columns and more."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING

from rich import box
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from rich.console import RenderableType

    from ragtune.report import Change, Report
    from ragtune.types import Hit

COLOURS = {"promote": "green", "hold": "yellow", "refuse": "red"}
MAX_ID_COLUMNS = 40
LEGEND = "seen: documents that other questions are about; unseen: documents without any"


def report_parts(report: Report, *, decides: bool = True) -> list[RenderableType]:
    """The table of a report, what its slices are, and the verdict if one was given."""
    after = verdict_line(report) if decides else Text(f"After: {report.verdict.reason}.")
    return [_report_table(report), Text(f"\n{LEGEND}\n", "dim"), after]


def _report_table(report: Report) -> Table:
    """Before and after by slice and metric; green and red where the interval leaves 0 out."""
    table = plain_table("slice", "metric")
    for heading in ("before", "after", "change", "95 % interval", "better", "worse"):
        table.add_column(heading, justify="right", no_wrap=True)
    for name, part in report.slices.items():
        about = [f"{part.queries:,} questions", f"{part.documents:,} documents"]
        if name == "overall":
            about = [f"{report.coverage:.0%} seen", f"{1 - report.coverage:.0%} unseen"]
        names = [Text(name, "bold"), *(Text(line, "dim") for line in about)]
        for first, metric in zip_longest(names[: len(part.changes)], part.changes):
            table.add_row(first or "", metric, *_change_cells(part.changes[metric]))
        table.add_section()
    return table


def _change_cells(change: Change) -> list[str | Text]:
    style = "green" if change.lower > 0 else "red" if change.upper < 0 else ""
    return [
        f"{100 * change.before:.1f}",
        f"{100 * change.after:.1f}",
        Text(f"{100 * change.difference:+.1f}", style),
        Text(f"[{100 * change.lower:+.1f}, {100 * change.upper:+.1f}]", style),
        f"{change.better:,}",
        f"{change.worse:,}",
    ]


def verdict_line(report: Report) -> Text:
    """The decision in its colour, the reason, and what would decide."""
    verdict = report.verdict
    line = Text.assemble(
        (f" {verdict.decision.upper()} ", f"bold reverse {COLOURS[verdict.decision]}"),
        f" {verdict.reason}",
    )
    if verdict.queries_needed:
        line.append(f"; about {verdict.queries_needed:,} judged questions would decide")
    return line


def hits_table(hits: Sequence[Hit]) -> Table:
    """Rank, score, id and the first characters of each hit, a line each."""
    table = plain_table()
    table.expand = True
    table.add_column("#", justify="right", no_wrap=True, min_width=len(str(len(hits))))
    table.add_column("score", justify="right", no_wrap=True, min_width=6)
    longest = max(len(hit.id) for hit in hits)
    table.add_column("id", style="cyan", no_wrap=True, width=min(longest, MAX_ID_COLUMNS))
    table.add_column("text", no_wrap=True, ratio=1)
    for rank, hit in enumerate(hits, start=1):
        text = " ".join(hit.text[:400].split())[:100]
        table.add_row(str(rank), f"{hit.score:.3f}", Text(hit.id), Text(text))
    return table


def facts_table(facts: dict[str, str]) -> Table:
    """Two columns: what, and how it is."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column()
    for name, value in facts.items():
        table.add_row(name, Text(value))
    return table


def plain_table(*headings: str) -> Table:
    """A table with a line under its head and no frame."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for heading in headings:
        table.add_column(heading, no_wrap=True)
    return table
