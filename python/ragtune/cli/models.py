"""`ragtune models`: versions of what was learned."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, TypeAlias

import typer

from ragtune.cli import options, output
from ragtune.cli.groups import group, plain, show_facts, show_rows
from ragtune.cli.options import AsJson, MemoryPath, examples

Version: TypeAlias = Annotated[
    int, typer.Argument(min=1, help="Version of a model; see ragtune models list.")
]
COLUMNS = "version", "serves", "verdict", "promoted", "strategy", "created_at"


def register(app: typer.Typer) -> None:
    """Add the group."""
    models = group(app, "models", "Versions of what was learned, and which serves.",
                   "ragtune models list", "ragtune models show 2", "ragtune models promote 2",
                   "ragtune models rollback", "ragtune models export 2 my.adapter")  # fmt: skip
    for verb, name, short, *lines in (
        (list_, "list", "All models, newest first.", "ragtune models list --json"),
        (show, "show", "One model: metrics and lineage.", "ragtune models show 2"),
        (promote, "promote", "Let a model serve.", "ragtune models promote 2"),
        (roll_back, "rollback", "Let the one before serve.", "ragtune models rollback"),
        (delete, "delete", "Erase a model and its file.", "ragtune models delete 2"),
        (export, "export", "Copy a model to a file.", "ragtune models export 2 support.adapter"),
        (import_, "import", "Take over a model from a file.",
         "ragtune models import support.adapter"),
    ):  # fmt: skip
        models.command(name, short_help=short, epilog=examples(*lines))(verb)


def list_(memory: MemoryPath = options.DEFAULT_MEMORY, as_json: AsJson = False) -> None:
    """Show all models, newest first, and which one serves."""
    with options.open_memory(memory) as opened:
        rows = opened.models.list()
    m = options.option_for(memory)
    if as_json:
        output.print_json({"models": plain(rows)})
    elif not rows:
        output.show("There are no models yet; learn one with:", f"ragtune tune --pairs FILE{m}")
    else:
        show_rows(rows, COLUMNS, f"\nragtune models show {rows[0]['version']}{m}")


def show(
    version: Version, memory: MemoryPath = options.DEFAULT_MEMORY, as_json: AsJson = False
) -> None:
    """Show a model: metrics of both products, and its lineage."""
    with options.open_memory(memory) as opened:
        model = opened.models.get(version)
        model["problem"] = opened.models.check(version)
    if as_json:
        output.print_json(plain(model))
        return
    facts = {name: value for name, value in model.items() if name not in ("metrics", "options")}
    show_facts(facts | {"options": _line(model["options"] or {})})
    for product, report in (model["metrics"] or {}).items():
        verdict = report["verdict"]
        output.show(f"{product}: {verdict['decision']}, {verdict['reason']}")
    m = options.option_for(memory)
    output.show(
        f"\nragtune models rollback{m}"
        if model["serves"]
        else f"\nragtune models promote {version}{m}"
    )


def promote(
    version: Version, memory: MemoryPath = options.DEFAULT_MEMORY, as_json: AsJson = False
) -> None:
    """Let a model serve what it learned, whatever its verdict."""
    with options.open_memory(memory) as opened:
        opened.models.promote(version)
        serving = opened.models.serving()
    _tell(serving, memory, as_json)


def roll_back(memory: MemoryPath = options.DEFAULT_MEMORY, as_json: AsJson = False) -> None:
    """Take back the model that serves; the one that was promoted before does then."""
    with options.open_memory(memory) as opened:
        serving = opened.models.roll_back()
    _tell(serving, memory, as_json)


def delete(
    version: Version, memory: MemoryPath = options.DEFAULT_MEMORY, as_json: AsJson = False
) -> None:
    """Erase a model and its file; if it served, the one before does."""
    with options.open_memory(memory) as opened:
        opened.models.delete(version)
        serving = opened.models.serving()
    _tell(serving, memory, as_json)


def export(
    version: Version,
    path: Annotated[Path, typer.Argument(help="A new file.")],
    memory: MemoryPath = options.DEFAULT_MEMORY,
    as_json: AsJson = False,
) -> None:
    """Copy a model to a file that ragtune.load and ragtune models import read."""
    with options.open_memory(memory) as opened:
        opened.models.export(version, path)
    if as_json:
        output.print_json({"version": version, "file": str(path)})
    else:
        output.show(f"Model {version} is in {path}.", f"ragtune models import {path} -m OTHER")


def import_(
    path: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A model's file.")],
    memory: MemoryPath = options.DEFAULT_MEMORY,
    as_json: AsJson = False,
) -> None:
    """Take over a model from a file; it serves when it is promoted."""
    with options.open_memory(memory) as opened:
        version = opened.models.import_(path)
    if as_json:
        output.print_json({"version": version})
    else:
        m = options.option_for(memory)
        output.show(f"It is model {version}.", f"ragtune models promote {version}{m}")


def _tell(serving: int | None, memory: Path, as_json: bool) -> None:
    m = options.option_for(memory)
    if as_json:
        output.print_json({"serving": serving})
    elif serving is None:
        output.show("No model serves: the frozen embeddings do.", f"ragtune models list{m}")
    else:
        output.show(f"Model {serving} serves.", f'ragtune search "a question" --deep-memory{m}')


def _line(values: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items() if value != {})
