"""The verb that says what is installed and whether it works."""

from __future__ import annotations

from dataclasses import asdict

import typer

from ragtune.cli import options, output
from ragtune.cli.options import AsJson, MemoryPath, examples

_COLOURS = {"ok": "green", "warning": "yellow", "broken": "bold red"}


def register(app: typer.Typer) -> None:
    """Add the verb of this file."""
    app.command(
        short_help="Check the installation and a memory.",
        epilog=examples("ragtune doctor", "ragtune doctor -m support.ragtune --json"),
    )(doctor)


def doctor(memory: MemoryPath = options.DEFAULT_MEMORY, as_json: AsJson = False) -> None:
    """Check the installation and the memory; ends with 1 if something needed is broken."""
    from ragtune.cli.checks import run_checks

    checks = run_checks(memory)
    works = all(check.state != "broken" for check in checks)
    if as_json:
        output.print_json({"works": works, "checks": [asdict(check) for check in checks]})
    else:
        from rich.table import Column, Table
        from rich.text import Text

        table = Table.grid("", "", Column(overflow="fold"), padding=(0, 2))
        for check in checks:
            advice = f"\n-> {check.advice}" if check.advice else ""
            table.add_row(
                Text(check.state, _COLOURS[check.state]),
                Text(check.name),
                Text.assemble(check.value, (advice, "cyan")),
            )
        output.show(table)
    if not works:
        raise typer.Exit(1)
