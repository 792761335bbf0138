"""`ragtune datasets`: judged questions, checked before they are relied on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from ragtune.cli import options, output
from ragtune.cli.groups import group, plain, show_facts, show_rows
from ragtune.cli.options import AsJson, MemoryPath, examples

DatasetId: TypeAlias = Annotated[str, typer.Argument(help="Name or id of a data set.")]
Part: TypeAlias = Annotated[
    Path | None,
    typer.Option(exists=True, dir_okay=False, help="Questions with their chunks, a line each."),
]


def register(app: typer.Typer) -> None:
    """Add the group."""
    datasets = group(app, "datasets", "Judged questions of your own, checked.",
                     "ragtune datasets import faq --train train.jsonl --test test.jsonl",
                     "ragtune datasets list", "ragtune datasets validate faq",
                     "ragtune datasets delete faq")  # fmt: skip
    for verb, name, short, *lines in (
        (import_, "import", "Keep a data set and check it.",
         "ragtune datasets import faq --train train.jsonl --test test.jsonl"),
        (list_, "list", "All data sets.", "ragtune datasets list --json"),
        (validate, "validate", "Check one against the chunks of now.",
         "ragtune datasets validate faq"),
        (delete, "delete", "Forget one.", "ragtune datasets delete faq"),
    ):  # fmt: skip
        datasets.command(name, short_help=short, epilog=examples(*lines))(verb)


def import_(
    name: Annotated[str, typer.Argument(help="A new name.")],
    train: Part = None,
    valid: Part = None,
    test: Part = None,
    memory: MemoryPath = options.DEFAULT_MEMORY,
    as_json: AsJson = False,
) -> None:
    """Keep the questions of files under a name, and tell what is wrong with them.

    A line: {"question": "...", "chunk_id": "faq.md#3"}, perhaps with "relevance".
    """
    files = [(p, s) for p, s in ((train, "train"), (valid, "valid"), (test, "test")) if p]
    if not files:
        raise typer.BadParameter("expected at least one", param_hint="--train, --valid or --test")
    with options.open_memory(memory) as opened:
        from ragtune.cli.question_file import read_items

        items = [item for path, split in files for item in read_items(path, split)]
        dataset = opened.datasets.import_(name, items)
    _show(dataset, memory, as_json)


def list_(memory: MemoryPath = options.DEFAULT_MEMORY, as_json: AsJson = False) -> None:
    """Show all data sets, newest first."""
    with options.open_memory(memory) as opened:
        rows = opened.datasets.list()
    m = options.option_for(memory)
    if as_json:
        output.print_json({"datasets": plain(rows)})
    elif not rows:
        output.show("There are no data sets; keep one with:",
                    f"ragtune datasets import NAME --train FILE{m}")  # fmt: skip
    else:
        shown = [row | {"items": (row["counts"] or {}).get("items", 0)} for row in rows]
        columns = "name", "status", "items", "updated_at"
        show_rows(shown, columns, f"\nragtune datasets validate {rows[0]['name']}{m}")


def validate(
    dataset: DatasetId, memory: MemoryPath = options.DEFAULT_MEMORY, as_json: AsJson = False
) -> None:
    """Check a data set against the chunks that there are now."""
    with options.open_memory(memory) as opened:
        found = opened.datasets.validate(_id(opened.datasets.list(), dataset))
    _show(found, memory, as_json)


def delete(
    dataset: DatasetId, memory: MemoryPath = options.DEFAULT_MEMORY, as_json: AsJson = False
) -> None:
    """Forget a data set; pairs that were taken from it stay."""
    with options.open_memory(memory) as opened:
        opened.datasets.delete(_id(opened.datasets.list(), dataset))
    if as_json:
        output.print_json({"deleted": dataset})
    else:
        output.show("It is gone.", f"ragtune datasets list{options.option_for(memory)}")


def _show(dataset: dict[str, object], memory: Path, as_json: bool) -> None:
    """What was found; a data set with problems ends the command with 1."""
    m = options.option_for(memory)
    problems: list[dict[str, object]] = plain(dataset["problems"]) or []
    if as_json:
        output.print_json(plain(dataset))
    else:
        show_facts({name: dataset[name] for name in ("name", "status", "id")})
        for problem in problems:
            output.show(f"{problem['kind']}: {problem['count']}, {problem['reason']}")
        output.show(
            f"\nragtune datasets delete {dataset['name']}{m}"
            if problems
            else f"\nragtune datasets list{m}"
        )
    if problems:
        raise typer.Exit(1)


def _id(rows: list[dict[str, object]], name: str) -> str:
    return next((str(row["id"]) for row in rows if row["name"] == name), name)
