"""What `ragtune doctor` looks at. Nothing is imported before its own check."""

from __future__ import annotations

import os
import platform
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

State = Literal["ok", "warning", "broken"]


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at, and the command that would help."""

    name: str
    value: str
    state: State = "ok"
    advice: str = ""


def run_checks(memory: Path) -> list[Check]:
    """Look at everything; a check that raises is itself a broken one."""
    checks: list[Check] = []
    for name, look in _LOOKS.items():
        try:
            checks += look(memory)
        except Exception as error:  # the doctor is for what nobody expected
            checks.append(Check(name, f"{type(error).__name__}: {error}", "broken"))
    return checks


def _versions(_: Path) -> Iterator[Check]:
    yield Check("ragtune", metadata.version("ragtune"))
    yield Check("python", f"{platform.python_version()} ({sys.executable})")
    yield Check("platform", platform.platform())


def _core(_: Path) -> Iterator[Check]:
    from ragtune import _core

    others = ", ".join(_core.available_kernels())
    yield Check("kernels", f"{_core.kernels_in_use()} (this machine can: {others})")
    yield Check("threads", f"{_core.thread_count()} of {os.cpu_count()} CPUs")


def _extras(_: Path) -> Iterator[Check]:
    """The optional packages as the installed metadata names them."""
    extras: dict[str, list[str]] = {}
    for requirement in metadata.requires("ragtune") or []:
        name = re.match(r"[\w.-]+", requirement)
        extra = re.search(r"""extra == ["']([\w-]+)["']""", requirement)
        if name and extra and name[0] != "ragtune":
            extras.setdefault(extra[1], []).append(name[0])
    for wanted, packages in extras.items():
        found = {package: _version(package) for package in packages}
        listed = ", ".join(f"{package} {version or '-'}" for package, version in found.items())
        whole = all(found.values())
        advice = "" if whole else f'pip install "ragtune[{wanted}]"'
        yield Check(f"extra {wanted}", listed, "ok" if whole else "warning", advice)


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _weights(_: Path) -> Iterator[Check]:
    from ragtune.embed.model_folder import find_model

    try:
        model = find_model()
    except FileNotFoundError as error:
        reason, _separator, advice = str(error).partition(". Either ")
        yield Check("weights", reason, "warning", advice)
    else:
        yield Check("weights", f"{model.name} in {model.path}")


def _cache(_: Path) -> Iterator[Check]:
    from ragtune.embed.graph_cache import default_cache_dir

    folder = default_cache_dir()
    sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
    yield Check("cache", f"{folder}, {sum(sizes) / 1e6:,.0f} MB in {len(sizes):,} files")


def _memory(path: Path) -> Iterator[Check]:
    from ragtune.cli.options import holds_memory, open_memory

    if not holds_memory(path):
        yield Check("memory", f"none at {path}")
        return
    from ragtune.embed.fingerprint import Fingerprint

    with open_memory(path) as memory:
        store = memory.store
        space = store.vectors.space()
        runs, models = store.runs.list(), store.models.promoted()
        yield Check(
            "memory", f"{path}, {len(memory):,} chunks, {len(store.pairs.living()):,} pairs"
        )
    failed = sum(run["status"] == "failed" for run in runs)
    yield Check("runs", f"{len(runs):,}, {failed:,} failed")
    serving = f", version {models[0]['version']} serves" if models else ""
    yield Check("models", f"{len(models):,} promoted{serving}")
    if space:
        known = Fingerprint.from_bytes(space)
        yield Check("space", f"{known.name}, {known.dimension} dimensions")


_LOOKS: dict[str, Callable[[Path], Iterator[Check]]] = {
    "versions": _versions,
    "core": _core,
    "extras": _extras,
    "weights": _weights,
    "cache": _cache,
    "memory": _memory,
}
