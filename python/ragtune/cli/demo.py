"""The demo's verb and how its result is shown."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ragtune.cli import options, output
from ragtune.cli.options import AsJson, examples

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

    from ragtune.demo.examples import Example, ShownHit
    from ragtune.demo.run import DemoResult


def register(app: typer.Typer) -> None:
    """Add the verb of this file."""
    app.command(
        short_help="All of it, on Python's own documentation.",
        epilog=examples(
            "ragtune demo",
            "ragtune demo --data scifact/",
            "ragtune demo --questions 200 --at try.ragtune --json",
        ),
    )(demo)


def demo(
    data: Annotated[
        Path | None,
        typer.Option(
            callback=options.beir_folder,
            help="A BEIR folder with train judgments, in place of Python's documentation.",
        ),
    ] = None,
    at: Annotated[
        Path | None, typer.Option(help="Where to make the memory.  [default: below the cache]")
    ] = None,
    questions: Annotated[
        int | None, typer.Option(min=1, help="Learn from this many questions only.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Learn to search Python's own documentation, and show before and after.

    The first run embeds some 6,000 docstrings, which takes a few minutes on two cores; the
    next ones take seconds.
    """
    if at is not None:
        options.check_place(at, "--at")
    with output.progress(as_json=as_json) as progress:
        from ragtune.demo.run import run_demo

        result = run_demo(
            data=data, at=at, limit=questions, embedder=options.embedder(), progress=progress
        )
    if as_json:
        output.print_json(_document(result))
    else:
        output.show(*_parts(result))


def _document(result: DemoResult) -> dict[str, Any]:
    task, run, test = result.task, result.run, result.test
    return {
        "corpus": task.title,
        "chunks": len(task.ids),
        "documents": len(set(task.sources or task.ids)),
        "questions": len(task.train),
        "styles": result.styles,
        "unknown_ids": task.unknown_ids,
        "embedded": result.embedded,
        "memory": str(result.path),
        "promoted": run.promoted,
        "report": json.loads(run.report.to_json()),
        "test": json.loads(test.to_json()) if test else None,
        "examples": [asdict(example) for example in result.examples],
        "seconds": result.seconds,
    }


def _parts(result: DemoResult) -> Iterator[RenderableType]:
    from rich.text import Text

    from ragtune.cli.tables import facts_table, report_parts

    yield facts_table(_facts(result))
    yield Text("\nBefore and after, cross-fitted", "bold")
    yield Text("Each question is answered by a model that did not learn from it.\n")
    yield from report_parts(result.run.report)
    if result.test:
        yield Text("\nBefore and after, on the test questions", "bold")
        yield Text("Nothing was learned from them.\n")
        yield from report_parts(result.test, decides=False)
    yield from _example_parts(result)
    yield Text("\nGo on with it", "bold")
    risen = [example.question for example in result.examples if example.kind == "better"]
    query = shlex.quote(min(risen, key=len, default="a question"))
    yield f"  ragtune search {query} --deep-memory -m {shlex.quote(str(result.path))}"
    seconds = ", ".join(f"{phase} {s:.1f} s" for phase, s in result.seconds.items())
    yield Text(f"\n{sum(result.seconds.values()):.1f} s in all: {seconds}", "dim")


def _facts(result: DemoResult) -> dict[str, str]:
    task = result.task
    sources = f" of {len(set(task.sources)):,} modules" if task.sources else ""
    styles = ", ".join(f"{count:,} {style}" for style, count in result.styles.items())
    seconds = result.seconds["embedding the corpus"]
    speed = result.embedded / max(seconds, 1e-3)
    facts = {
        "corpus": task.title,
        "chunks": f"{len(task.ids):,}{sources}",
        "questions": f"{len(task.train):,}" + (f" ({styles})" if styles else ""),
        "test questions": f"{len(task.test):,}" if task.test else "",
        "left out": f"{task.unknown_ids:,} answers that this Python lacks"
        if task.unknown_ids
        else "",
        "embedded": f"{result.embedded:,} chunks in {seconds:.1f} s, {speed:,.0f} a second"
        if result.embedded
        else "nothing: all from cache",
        "memory": str(result.path),
    }
    return {name: value for name, value in facts.items() if value}


def _example_parts(result: DemoResult) -> Iterator[RenderableType]:
    from rich.text import Text

    kind, caveat = "training", "The model has learned from these; the table above is out of fold."
    if result.test:
        kind, caveat = "test", "They were chosen to show each kind; the tables are what counts."
    yield Text(f"\nSome {kind} questions: that rose, stayed and fell", "bold")
    yield Text(f"{caveat} * marks the right chunks.")
    for example in result.examples:
        yield Text()
        yield _question_line(example)
        yield _hit_lists(example, with_text=result.task.sources is None)


def _question_line(example: Example) -> RenderableType:
    from rich.text import Text

    colour = {"better": "green", "worse": "red"}.get(example.kind, "dim")
    before, after = (
        str(rank) if rank else "beyond 100" for rank in (example.rank_before, example.rank_after)
    )
    rank = f"stays at rank {after}" if example.kind == "same" else f"rank {before} -> {after}"
    style = f" ({example.style})" if example.style else ""
    return Text.assemble((rank, f"bold {colour}"), f"  {example.question}", (style, "dim"))


def _hit_lists(example: Example, *, with_text: bool) -> Table:
    """The first hits before and after, side by side, one line each."""
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 1), expand=True)
    for _ in range(2):
        table.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    table.add_row(Text("  before", "dim"), Text("  after", "dim"))

    def cell(hit: ShownHit | None) -> Text:
        if hit is None:
            return Text()
        mark, style = ("* ", "bold green") if hit.is_right else ("  ", "")
        return Text(f"{mark}{hit.id} {hit.text if with_text else ''}", style)

    for before, after in zip(example.before, example.after, strict=True):
        table.add_row(cell(before), cell(after))
    return table
