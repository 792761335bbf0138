"""Options that several commands have, and the checks that end with exit code 2."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ragtune.memory import Memory

DEFAULT_MEMORY = Path("memory.ragtune")

MemoryPath = Annotated[
    Path, typer.Option("--memory", "-m", envvar="RAGTUNE_MEMORY", help="The memory, a folder.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]
SkipUnknown = Annotated[
    bool, typer.Option("--skip-unknown", help="Leave out chunk ids that the memory lacks.")
]
Coverage = Annotated[
    float,
    typer.Option(min=0.0, max=1.0, help="Share of traffic on documents with training questions."),
]


def examples(*lines: str) -> str:
    """The Examples part of a command's help."""
    return "\n".join(["\b", "Examples:", *(f"  {line}" for line in lines)])


def embedder() -> object | None:
    """What embeds texts; None is the local model. Tests put a fast one here."""
    return None


def holds_memory(path: Path) -> bool:
    """Tell whether there is a memory at `path`."""
    return (path / "store.sqlite").is_file() or (store_url() is not None and path.is_dir())


def store_url() -> str | None:
    """URL of the database that holds the memory; None is the file in its folder."""
    import os

    return os.environ.get("RAGTUNE_STORE") or None


def option_for(path: Path) -> str:
    """What a command line has to say to mean this memory."""
    import shlex

    return "" if path == DEFAULT_MEMORY else f" -m {shlex.quote(str(path))}"


@contextmanager
def open_memory(path: Path) -> Iterator[Memory]:
    """Open the memory at `path`, which exists.

    Raises:
        typer.BadParameter: There is none.
    """
    import shlex

    if not holds_memory(path):
        raise typer.BadParameter(
            f"there is no memory at {path}; make one with: ragtune init {shlex.quote(str(path))}",
            param_hint="--memory",
        )
    with open_or_create_memory(path) as memory:
        yield memory


@contextmanager
def open_or_create_memory(path: Path, hint: str = "--memory") -> Iterator[Memory]:
    """Open the memory at `path`, or create it in a new or empty folder.

    Raises:
        typer.BadParameter: There is something else at `path`.
    """
    check_place(path, hint)
    from ragtune.memory import Memory

    with Memory(path, embedder=embedder(), store=store_url()) as memory:
        yield memory


def check_place(path: Path, hint: str) -> None:
    """Check that a memory is, or can be made, at `path`.

    Raises:
        typer.BadParameter: There is something else.
    """
    if path.exists() and not holds_memory(path) and (path.is_file() or any(path.iterdir())):
        kind = "a file" if path.is_file() else "a folder with other things"
        raise typer.BadParameter(f"{path} is {kind}, not a memory", param_hint=hint)


def beir_folder(path: Path | None) -> Path | None:
    """A folder in BEIR layout, as an option's callback.

    Raises:
        typer.BadParameter: A file is missing.
    """
    for needed in ("corpus.jsonl", "queries.jsonl"):
        if path is not None and not (path / needed).is_file():
            raise typer.BadParameter(f"expected a BEIR folder, got no {path / needed}")
    return path
