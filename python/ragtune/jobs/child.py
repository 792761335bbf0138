"""`python -m ragtune.jobs.child`: one training, told by standard input what to open.

It ends when its standard input does: then its worker is gone, and nobody would know of it.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from typing import Any

from ragtune.events import Event


def main() -> int:
    """Do the job; events go to standard output, a line each."""
    told = json.loads(sys.stdin.readline())
    threading.Thread(target=_watch, daemon=True).start()
    if told["memory_limit_mb"]:
        _limit_memory(int(told["memory_limit_mb"]) << 20)
    try:
        return _train(told)
    except Exception as error:  # told to the worker, who decides
        _say("done", 0, 0, f"{type(error).__name__}: {error}", "error")
        return 1


def _train(told: dict[str, Any]) -> int:
    from ragtune.memory import Memory

    with Memory(told["path"], store=told["store"], owner=told["owner"]) as memory:
        job = memory.jobs.get(told["job"])
        _say("training", 0, 0, "training")
        run = memory.runs.work(job, lambda done, total: _say("training", done, total))
        served = "serves" if run.promoted else "does not serve"
        verdict = run.report.verdict
        _say("done", 1, 1, f"model {run.version} {served}: {verdict.decision}, {verdict.reason}")
    return 0


def _watch() -> None:
    while sys.stdin.readline():
        pass
    os._exit(3)


def _limit_memory(size_bytes: int) -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (size_bytes, size_bytes))


def _say(phase: str, done: int, total: int, message: str = "", level: str = "info") -> None:
    print(Event(phase, done, total, message, level).to_json(), flush=True)


if __name__ == "__main__":
    sys.exit(main())
