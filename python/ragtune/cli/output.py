"""What commands print: JSON or text on stdout, progress on stderr."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

PhaseProgress = Callable[[str, int, int], None]
"""Called with (what is being done, done, total); a total of 0 is not known yet."""

PATIENCE_S = 2.0  # what is done by then needs no bar
LINE_EVERY_S = 10.0  # where there is no terminal


def print_json(document: dict[str, Any]) -> None:
    """Print the one JSON document of a command."""
    typer.echo(json.dumps(document, indent=2, ensure_ascii=False))


def show(*parts: RenderableType) -> None:
    """Print tables and text; a str stays on one line, so that a command can be copied."""
    stdout = console()
    for part in parts:
        is_line = isinstance(part, str)
        stdout.print(part, markup=False, highlight=False, soft_wrap=is_line)


def note(message: str) -> None:
    """Say something beside the result, on stderr."""
    typer.echo(f"ragtune: {message}", err=True)


def console(*, stderr: bool = False) -> Console:
    """The terminal, as wide as it is; 80 columns where there is none."""
    from rich.console import Console

    return Console(stderr=stderr)


@contextmanager
def progress(*, as_json: bool) -> Iterator[PhaseProgress]:
    """A bar after two seconds in a terminal, else a line every ten, on stderr."""
    shown = _Bar() if sys.stderr.isatty() and not as_json else _Lines()
    stop = threading.Event()
    thread = threading.Thread(target=shown.run, args=[stop], daemon=True)
    thread.start()
    try:
        yield shown.update
    finally:
        stop.set()
        thread.join()
        shown.close()


class _Lines:
    """A plain line now and then, so that a log shows that work goes on."""

    def __init__(self) -> None:
        self._line = "working"

    def update(self, phase: str, done: int, total: int) -> None:
        self._line = f"{phase}: {done:,} of {total:,}" if total else phase

    def run(self, stop: threading.Event) -> None:
        while not stop.wait(LINE_EVERY_S):
            typer.echo(self._line, err=True)

    def close(self) -> None:
        pass


class _Bar:
    """A bar for the phase that is on, with its speed and the time that is left."""

    def __init__(self) -> None:
        from rich import progress as bars

        self._bar = bars.Progress(
            bars.SpinnerColumn(),
            bars.TextColumn("{task.description}", markup=False),
            bars.BarColumn(bar_width=24),
            bars.TextColumn("{task.fields[count]}", markup=False),
            bars.TimeRemainingColumn(compact=True, elapsed_when_finished=True),
            console=console(stderr=True),
            transient=True,
        )
        self._task = self._bar.add_task("working", total=None, count="")
        self._phase, self._start = "", 0.0

    def update(self, phase: str, done: int, total: int) -> None:
        if phase != self._phase:
            self._phase, self._start = phase, time.perf_counter()
            self._bar.reset(self._task)
        rate = done / max(time.perf_counter() - self._start, 1e-3)
        count = f"{done:,}/{total:,}" + (f" {rate:,.0f}/s" if rate >= 1 else "")
        self._bar.update(
            self._task,
            description=phase,
            completed=done,
            total=total or None,
            count=count if total else "",
        )

    def run(self, stop: threading.Event) -> None:
        if not stop.wait(PATIENCE_S):
            self._bar.start()

    def close(self) -> None:
        self._bar.stop()
