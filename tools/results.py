"""The committed results of benchmarks/, and where and when they were measured."""

import json
from pathlib import Path

RESULTS = Path(__file__).parents[1] / "benchmarks/results"


def load(name: str) -> dict:
    """One committed result."""
    return json.loads((RESULTS / f"{name}.json").read_text())


def where(result: dict) -> str:
    """Date and machine of a result."""
    machine = result["machine"]
    return f"{machine['date']}, {machine['cpu']}, {machine['cores']} cores, {machine['system']}"
