"""What every benchmark shares: paired timing, the machine's name, and where results go."""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

from ragtune import _core

RESULTS = Path(__file__).parent / "results"


def alternate(
    functions: dict[str, Callable[[], object]], rounds: int = 7, least: float = 0.0
) -> dict[str, float]:
    """Median seconds of each function, run in turn so that a slow minute hits all of them.

    A turn repeats its function for `least` seconds: one short call would mostly tell how long it
    takes to fetch what the others pushed out of the caches.
    """
    for function in functions.values():
        function()
    times: dict[str, list[float]] = {name: [] for name in functions}
    for _ in range(rounds):
        for name, function in functions.items():
            begin, calls, passed = time.perf_counter(), 0, 0.0
            while not calls or passed < least:
                function()
                calls += 1
                passed = time.perf_counter() - begin
            times[name].append(passed / calls)
    return {name: statistics.median(values) for name, values in times.items()}


def machine() -> dict[str, object]:
    """Date, CPU and versions: a figure without them says nothing."""
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        names = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        cpu = names[0].partition(":")[2].strip() if names else cpu
    cpu = f"{cpu} ({_core.kernels_in_use()})"  # one name sells CPUs of several generations
    return {
        "date": date.today().isoformat(),
        "cpu": cpu,
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
    }


def arguments(description: str) -> argparse.Namespace:
    """--data DIR (or RAGTUNE_DATA) and --save."""
    data = os.environ.get("RAGTUNE_DATA")
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--data", type=Path, default=Path(data) if data else None)
    parser.add_argument("--save", action="store_true", help="keep the figures in results/")
    return parser.parse_args()


def note(text: str) -> None:
    """Tell on stderr how far it is; stdout is for the figures."""
    print(text, file=sys.stderr, flush=True)


def finish(name: str, figures: dict[str, object], save: bool) -> None:
    """Print the figures, and keep them with date and machine if asked to."""
    result = {"machine": machine(), "figures": figures}
    print(json.dumps(result, indent=2))
    if save:
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / f"{name}.json").write_text(json.dumps(result, indent=2) + "\n")
