"""The process of one training, seen from its worker: what it says, and how it ends."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from typing import Any

TAIL = 2_000  # characters of an error that are kept


class Child:
    """Runs `ragtune.jobs.child`. Leaving the context kills it if it still runs."""

    def __init__(self, home: Mapping[str, Any], payload: Mapping[str, Any]) -> None:
        """Start it.

        Args:
            home: What it is to open, and the job's id; goes by standard input, so that no
                list of processes shows it.
            payload: The job's.
        """
        self.progress: dict[str, Any] | None = None
        self._lines: list[tuple[str, str]] = []
        self._error = ""
        self._lock = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "ragtune.jobs.child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,  # what interrupts the worker is the worker's to handle
        )
        self._reader = threading.Thread(target=self._read, name="ragtune-child", daemon=True)
        self._reader.start()
        limit = payload.get("memory_limit_mb")
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it died at once: its error tells why
            self._process.stdin.write(json.dumps({**home, "memory_limit_mb": limit}) + "\n")
            self._process.stdin.flush()

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self._reader.join()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def wait(self, timeout_s: float) -> bool:
        """Wait a while; true if it has ended."""
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return False
        self._reader.join()
        return True

    @property
    def error(self) -> str:
        """Why it ended before its work was done."""
        code = self._process.returncode
        if code is not None and code < 0:
            return f"its process was ended by {signal.Signals(-code).name}"
        return self._error or f"its process ended with {code} and did not tell why"

    def lines(self) -> list[tuple[str, str]]:
        """What it has said since the last call, as (level, line)."""
        with self._lock:
            lines, self._lines = self._lines, []
        return lines

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._take(line.rstrip("\n")[:TAIL])

    def _take(self, line: str) -> None:
        """An event of ours as JSON, or a plain line of some library."""
        try:
            said = json.loads(line)
            level, message = str(said["level"]), str(said["message"])
            phase, done, total = str(said["phase"]), int(said["done"]), int(said["total"])
        except (ValueError, TypeError, KeyError):
            level, message = "info", line
        else:
            self.progress = {"phase": phase, "done": done, "total": total}
            if level == "error":
                self._error = message
                return
        if message:
            with self._lock:
                self._lines.append((level, message))
