"""The command `ragtune`: a verb per function, a file per group of verbs.

This package is imported for every `ragtune --help`: what is slow to import (numpy, the
store, the core) is imported inside the functions that use it.
"""

from __future__ import annotations

from typing import Annotated

import typer

from ragtune.cli.chunks import register as register_chunks
from ragtune.cli.datasets import register as register_datasets
from ragtune.cli.demo import register as register_demo
from ragtune.cli.doctor import register as register_doctor
from ragtune.cli.failures import Verbs
from ragtune.cli.jobs import register as register_jobs
from ragtune.cli.learning import register as register_learning
from ragtune.cli.models import register as register_models
from ragtune.cli.questions import register as register_questions
from ragtune.cli.runs import register as register_runs

EXAMPLES = """\b
Examples:
  ragtune init
  ragtune add docs/ faq.pdf
  ragtune search "how do I reset my password?"
  ragtune questions generate --model gpt-5-mini
  ragtune tune --pairs pairs.jsonl
  ragtune evaluate --queries new.jsonl
  ragtune runs list
  ragtune models list
  ragtune jobs list
  ragtune worker
  ragtune datasets list
  ragtune demo
  ragtune doctor

\b
Every command takes --json, and --help, with more examples.
RAGTUNE_MEMORY names the memory where --memory does not.
RAGTUNE_STORE is the URL of a PostgreSQL database that holds it, if one does.
Exit codes: 0 done, 1 failed, 2 used wrongly. RAGTUNE_DEBUG=1: tracebacks.
"""

app = typer.Typer(
    name="ragtune",
    cls=Verbs,
    epilog=EXAMPLES,
    add_completion=False,
    no_args_is_help=True,
    # rich's help costs 250 ms of imports; its tables are for results.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        import ragtune

        typer.echo(f"ragtune {ragtune.__version__}")
        raise typer.Exit


@app.callback()
def ragtune_command(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Show the version and exit.", is_eager=True, callback=_print_version
        ),
    ] = False,
) -> None:
    """Retrieval that learns from its own questions, proves the gain, and only then serves it."""


for _register in (
    register_chunks,
    register_questions,
    register_learning,
    register_runs,
    register_models,
    register_jobs,
    register_datasets,
    register_demo,
    register_doctor,
):
    _register(app)


def main() -> None:
    """Run the command line; ends the process."""
    # Not app(): that replaces sys.excepthook, whose docstring is a chunk of the demo.
    typer.main.get_command(app)(prog_name="ragtune")
