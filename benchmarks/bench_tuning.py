"""What tuning gains on BEIR sets with embeddings, beside its peers: learn on train, ask test.

Four parts, each on its own with its switch, all without one: `--quality` (every strategy and peer,
promised against measured), `--few` (25 to 200 training queries), `--halves` (learn where documents
are seen, be asked where they are not, and the other way round), and `--shuffles N` (answers dealt
anew among the queries: a promise then is a false one). With `--save` the figures of parts that did
not run are kept if they were measured on the same day and machine. Only `--quality` times anything
and so runs alone; `--jobs N` has N processes share the sets of the other parts.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from common import RESULTS, finish, machine, note
from tuning_parts import ALONE, PARTS, TIMED
from tuning_peers import Set

Job = tuple[str, Path]  # a part and the folder of a set


def options() -> argparse.Namespace:
    data = os.environ.get("RAGTUNE_DATA")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path(data) if data else None)
    parser.add_argument("--sets", nargs="+", help="folders below --data; all of them without")
    parser.add_argument("--shuffles", type=int, metavar="N", help="seeds of each set")
    for part in ("quality", "few", "halves"):
        parser.add_argument(f"--{part}", action="store_true")
    parser.add_argument(
        "--strategies", nargs="*", default=ALONE, help="those that learn an adapter alone"
    )
    parser.add_argument(
        "--jobs", type=int, default=1, metavar="N", help="processes for the parts that time nothing"
    )
    parser.add_argument("--save", action="store_true", help="keep the figures in results/")
    given = parser.parse_args()
    if not given.data:
        raise SystemExit("--data: expected the folder of the data sets")
    if given.jobs < 1:
        raise SystemExit(f"--jobs: expected at least 1, got {given.jobs}")
    asked = given.quality, given.halves, given.few, given.shuffles
    given.parts = [part for part, wanted in zip(PARTS, asked, strict=True) if wanted]
    if not given.parts:
        given.parts, given.shuffles = list(PARTS), 5
    given.sets = given.sets or sorted(
        path.parent.name for path in given.data.glob("*/corpus.minilm.f16.npy")
    )
    return given


def kept() -> dict[str, Any]:
    """Figures of this day and machine that another run has saved, by set."""
    path = RESULTS / "tuning.json"
    result = json.loads(path.read_text()) if path.is_file() else {}
    if result.get("machine") != machine():
        return {}
    return {name: own for name, own in result["figures"].items() if own.keys() & PARTS.keys()}


def summarised(sets: dict[str, Any]) -> dict[str, Any]:
    """The figures of all sets by name, and above them what docs/measured.md shows."""
    for own in sets.values():
        if "quality" in own:
            ways, full = own["quality"]["ways"], own["quality"]["promised"]["full"]
            best = ways["ragtune auto, parts"]
            own |= {
                "verdict": full["verdict"],
                "promised_ndcg@10": full["overall"]["difference"],
                "frozen": brief(ways["frozen"]),
                "served": brief(best),
                "fit_seconds": best["seconds"],
            }
    counts = {name: own["shuffled"] for name, own in sets.items() if "shuffled" in own}
    total = {name: count["either"] for name, count in counts.items()}
    of = min((count["of"] for count in counts.values()), default=0)
    return dict(sorted(sets.items())) | {
        "shuffled_answers_promoted": total | {"of": of, "each": True}
    }


def brief(way: dict[str, Any]) -> dict[str, Any]:
    return {part: way[part].get("ndcg@10") for part in ("all", "seen", "unseen")}


@lru_cache(maxsize=1)
def opened(folder: Path) -> Set:
    return Set.read(folder)


def measured(job: Job, given: argparse.Namespace) -> dict[str, Any]:
    """The figures of one part for one set."""
    part, folder = job
    task = opened(folder)
    note(f"{part} {task.name}")
    return PARTS[part](task, given)


def shared(jobs: Sequence[Job], given: argparse.Namespace) -> Iterator[tuple[Job, dict[str, Any]]]:
    """Each job with its figures, by processes that share the cores."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = str(max((os.cpu_count() or 1) // given.jobs, 1))
    with ProcessPoolExecutor(given.jobs, get_context("spawn")) as pool:
        running = {pool.submit(measured, job, given): job for job in jobs}
        for done in as_completed(running):
            yield running[done], done.result()


def results(given: argparse.Namespace) -> Iterator[tuple[Job, dict[str, Any]]]:
    """Each job with its figures; what is timed comes first, and alone."""
    jobs = [(part, given.data / name) for part in given.parts for name in given.sets]
    beside = [job for job in jobs if given.jobs > 1 and job[0] != TIMED]
    for job in jobs:
        if job not in beside:
            yield job, measured(job, given)
    if beside:
        yield from shared(beside, given)


def main() -> None:
    given = options()
    sets = kept() if given.save else {}
    try:
        for (part, folder), figures in results(given):
            sets.setdefault(folder.name, {})[part] = figures
    finally:  # an interrupted run keeps what it has measured
        finish("tuning", summarised(sets), given.save)


if __name__ == "__main__":
    main()
