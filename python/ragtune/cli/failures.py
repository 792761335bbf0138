"""How a command ends that did not work: one line on stderr, and an exit code."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer
from typer.core import TyperGroup

# Their messages stand for themselves; of all others the type is told as well.
_SPEAKING = ("CorruptFileError", "EmbedderMismatchError", "ImportError", "ModuleNotFoundError",
             "RuntimeError", "StoreLockedError", "StoreVersionError", "ValueError")  # fmt: skip


class Verbs(TyperGroup):
    """The commands; what one of them raises ends the process with 1 and one line.

    Warnings are shown at the end, a line each.
    """

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was named."""
        try:
            with _warnings_as_lines():
                return super().invoke(ctx)
        except (typer.Abort, typer.Exit):
            raise
        except Exception as error:
            is_usage = hasattr(error, "exit_code")  # typer prints it, and ends with 2
            if is_usage or os.environ.get("RAGTUNE_DEBUG", "0") not in ("", "0"):
                raise
            typer.echo(f"ragtune: {_line(error)}", err=True)
            raise typer.Exit(1) from None


@contextmanager
def _warnings_as_lines() -> Iterator[None]:
    with warnings.catch_warnings(record=True) as caught:
        try:
            yield
        finally:
            for warning in caught:
                message = " ".join(str(warning.message).split())
                typer.echo(f"ragtune: warning: {message}", err=True)


def _line(error: Exception) -> str:
    message = " ".join(str(error).split())
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    name = type(error).__name__
    speaks = message and (name in _SPEAKING or isinstance(error, OSError))
    return message if speaks else f"{name}: {message}".rstrip(": ")
