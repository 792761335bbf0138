"""What long work tells while it goes on: one kind of event for bars, logs and streams."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

PHASES = ("generating", "embedding", "checking", "training", "judging", "promoting", "done")
LEVELS = ("info", "warning", "error")


def _now() -> datetime:
    return datetime.now(timezone.utc)


@dataclass(frozen=True, slots=True)
class Event:
    """One step of work; a total of 0 is not known yet."""

    phase: str
    done: int
    total: int
    message: str = ""
    level: str = "info"
    run_id: str | None = None
    job_id: str | None = None
    data: Mapping[str, Any] = field(default_factory=dict)
    time: datetime = field(default_factory=_now)

    def __post_init__(self) -> None:
        if self.phase not in PHASES:
            raise ValueError(f"phase: expected one of {', '.join(PHASES)}, got {self.phase!r}")
        if self.level not in LEVELS:
            raise ValueError(f"level: expected one of {', '.join(LEVELS)}, got {self.level!r}")

    def to_dict(self) -> dict[str, Any]:
        """The event as what JSON can hold."""
        names = "phase", "done", "total", "message", "level", "run_id", "job_id"
        values = {name: getattr(self, name) for name in names}
        return values | {"data": dict(self.data), "time": self.time.isoformat()}

    def to_json(self) -> str:
        """The event on one line."""
        return json.dumps(self.to_dict(), ensure_ascii=False)


Listener = Callable[[Event], None]
"""Called with each event; what it raises stops the work."""


async def stream(work: Callable[[Listener], Any]) -> AsyncIterator[Event]:
    """Events of `work`, which runs in a thread and never blocks the loop.

    What `work` raises is raised here, after its events. Whoever stops listening stops the work
    at its next event.

    Args:
        work: Called with the listener that it shall tell its events to.
    """
    loop = asyncio.get_running_loop()
    queue: asyncio.Queue[Event | None] = asyncio.Queue()
    gone = threading.Event()
    raised: list[BaseException] = []

    def listen(event: Event) -> None:
        if gone.is_set():
            raise asyncio.CancelledError("nobody listens any more")
        loop.call_soon_threadsafe(queue.put_nowait, event)

    def run() -> None:
        try:
            work(listen)
        except BaseException as error:  # told to the one who listens
            raised.append(error)
        if not gone.is_set():
            loop.call_soon_threadsafe(queue.put_nowait, None)

    threading.Thread(target=run, name="ragtune-work", daemon=True).start()
    try:
        while (event := await queue.get()) is not None:
            yield event
        if raised:
            raise raised[0]
    finally:
        gone.set()
