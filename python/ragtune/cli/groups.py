"""What the groups of verbs share: how one is made, and how rows are shown."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import typer

from ragtune.cli import output
from ragtune.cli.options import examples


def group(app: typer.Typer, name: str, about: str, *lines: str) -> typer.Typer:
    """Add a group of verbs with its examples."""
    made = typer.Typer(
        name=name,
        help=about,
        short_help=about,
        epilog=examples(*lines),
        no_args_is_help=True,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    )
    app.add_typer(made)
    return made


def full_id(ids: Iterable[str], start: str) -> str:
    """The id that begins so, if it is one only; else what was given, for who looks it up."""
    found = [id_ for id_ in ids if id_.startswith(start)]
    return found[0] if len(found) == 1 else start


def plain(value: Any) -> Any:
    """A value as what JSON can hold: times as ISO 8601."""
    return json.loads(json.dumps(value, default=lambda x: getattr(x, "isoformat", x.__str__)()))


def show_rows(rows: Sequence[Mapping[str, Any]], columns: Iterable[str], *after: str) -> None:
    """A table of some columns, and what to do next."""
    from ragtune.cli.tables import plain_table

    names = list(columns)
    table = plain_table(*(name.replace("_", " ") for name in names))
    for row in rows:
        table.add_row(*(_cell(row[name]) for name in names))
    output.show(table, *after)


def show_facts(facts: Mapping[str, Any], *after: str) -> None:
    """What and how it is, a line each, and what to do next."""
    from ragtune.cli.tables import facts_table

    shown = {name.replace("_", " "): _cell(value) for name, value in facts.items()}
    output.show(facts_table({k: v for k, v in shown.items() if v}), *after)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else ""
    if hasattr(value, "strftime"):
        return str(value.strftime("%Y-%m-%d %H:%M"))
    if isinstance(value, float):
        return f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) else str(value)
