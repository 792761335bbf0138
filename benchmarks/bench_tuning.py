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
import contextlib
import io
import json
import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from common import RESULTS, finish, machine, note
from tuning_peers import (
    PEERS,
    Grades,
    Lesson,
    Set,
    by_words,
    judged,
    ndcg,
    nearest,
    percent,
    positive,
    reciprocal_rank_fusion,
    safe,
)
from ways import Ways

DEPTH = 100  # of the rankings that reciprocal rank fusion takes
FEW, SEEDS = (25, 50, 100, 200), 10
PARTS = "quality", "halves", "few", "shuffled"  # those that time nothing after the first
ALONE = "ridge", "kernel_ridge", "contrastive", "low_rank"


# -- quality ------------------------------------------------------------------------------------


def promised(report: Any) -> dict[str, Any]:
    """What the report says before the test split is asked."""
    own: dict[str, Any] = {"verdict": report.verdict.decision, "reason": report.verdict.reason}
    own["strategy"] = report.strategy
    for name, part in report.slices.items():
        change = part["ndcg@10"]
        fields = ("before", "after", "difference", "lower", "upper")
        own[name] = {field: percent(getattr(change, field)) for field in fields}
    return own


def quality(task: Set, alone: Sequence[str] = ALONE) -> dict[str, Any]:
    """Every way beside every other, on the test split."""
    ways = Ways(task, {})
    asked, texts, words = task.vectors(ways.asked), task.texts(ways.asked), ways.words
    plans: dict[str, dict[str, Any]] = {name: {"strategy": name} for name in alone}
    plans |= {"fusion": {"strategy": "fusion", **words}, "auto": words}
    plans["auto, parts"] = {**words, "parts": task.parts}
    for name, given in plans.items():
        model = ways.learned(f"ragtune {name}", **given)
    ways.add("ragtune auto, adapter only", nearest(task.corpus, model.transform(asked)))
    ways.figures["ragtune auto, adapter only"]["verdict"] = model.adapter_report.verdict.decision
    for name, rows in safe(task, model, ways.asked).items():
        ways.add(name, rows)
    both = nearest(task.corpus, asked, DEPTH), by_words(task, texts, DEPTH)
    ways.add("reciprocal rank fusion", reciprocal_rank_fusion(both, 10))
    answers = [sorted(positive(task.beir.train.grades[q])) for q in ways.train]
    lesson = Lesson(task.corpus, task.vectors(ways.train), answers)
    for name, peer in PEERS.items():
        begin = time.perf_counter()
        with contextlib.redirect_stdout(io.StringIO()):
            moved = peer(lesson, asked)
        ways.add(name, nearest(*moved), time.perf_counter() - begin)
    return {
        "train": len(ways.train),
        "test": {name: int(which.sum()) for name, which in ways.slices.items()},
        "ways": ways.figures,
        "promised": {"full": promised(model.report), "adapter": promised(model.adapter_report)},
    }


# -- promises under stress ----------------------------------------------------------------------


def outcome(task: Set, model: Any, chosen: Sequence[int], grades: Grades) -> dict[str, Any]:
    """Verdicts, and mean nDCG@10 differences on `chosen`: of what is served, and of what it is not.

    `full` and `adapter` are what was learned, promoted or not, against the fixed mix and against
    the frozen embeddings; `served` is what `rank` gives, against the best of all safe ones.
    """
    asked, texts = task.vectors(chosen), task.texts(chosen)
    means = {name: ndcg(r, grades).mean() for name, r in safe(task, model, chosen).items()}
    served = ndcg(model.rank(asked, texts, k=10)[1], grades).mean()
    full = model.full.rank(model.sources, asked, texts, 10, learned=True)[1]
    adapter = nearest(task.corpus, model.learned.apply(asked))
    return {
        "full_verdict": model.report.verdict.decision,
        "adapter_verdict": model.adapter_report.verdict.decision,
        "served_over_best_safe": percent(served - max(means.values())),
        "served_over_mix": percent(served - means["best fixed mix"]),
        "full_over_mix": percent(ndcg(full, grades).mean() - means["best fixed mix"]),
        "adapter_over_frozen": percent(ndcg(adapter, grades).mean() - means["frozen"]),
    }


def few(task: Set) -> dict[str, Any]:
    """Learn from some of the training queries, and ask all of the test split."""
    train, asked = judged(task.beir.train.grades), judged(task.beir.test.grades)
    tests = [task.beir.test.grades[q] for q in asked]
    curve = {}
    for count in (c for c in FEW if c <= len(train)):
        runs = []
        for seed in range(SEEDS):
            chosen = np.sort(np.random.default_rng(seed).permutation(train)[:count]).tolist()
            model = task.fit(chosen, [task.beir.train.grades[q] for q in chosen], seed)
            runs.append(outcome(task, model, asked, tests))
        curve[str(count)] = runs
        note(f"  {count} queries: {[run['served_over_best_safe'] for run in runs]}")
    return curve


def halves(task: Set) -> dict[str, Any]:
    """Learn from one kind of question and be asked the other, over all queries of the set.

    `unseen_asked`: half of the documents are set aside with all their questions; of the others
    those with two questions or more teach. `seen_asked`: every document teaches with one
    question, and is asked the others.
    """
    train, test = task.beir.train.grades, task.beir.test.grades
    pool = {q: {**train[q], **test[q]} for q in range(len(train))}
    first = {q: min(positive(own)) for q, own in pool.items() if len(positive(own)) == 1}
    random = np.random.default_rng(0)
    documents = random.permutation(sorted(set(first.values())))
    aside = set(documents[: len(documents) // 2].tolist())
    of: dict[int, list[int]] = {}
    for q in random.permutation(list(first)).tolist():
        of.setdefault(first[q], []).append(q)
    cases = {
        "unseen_asked": (
            [q for row, own in of.items() if row not in aside and len(own) > 1 for q in own],
            [q for row, own in of.items() if row in aside for q in own],
        ),
        "seen_asked": (
            [own[0] for own in of.values()],
            [q for own in of.values() for q in own[1:]],
        ),
    }
    figures: dict[str, Any] = {}
    for name, (teaching, asked) in cases.items():
        if min(len(teaching), len(asked)) < 20:
            figures[name] = None
            continue
        teaching, asked = sorted(teaching), sorted(asked)
        model = task.fit(teaching, [pool[q] for q in teaching], 0)
        figures[name] = {"train": len(teaching), "test": len(asked)}
        figures[name] |= outcome(task, model, asked, [pool[q] for q in asked])
        note(f"  {name}: {figures[name]}")
    return figures


def shuffled(task: Set, seeds: int) -> dict[str, Any]:
    """Deal the answers anew among the training queries; count what is promoted.

    And what it does to the test split: `served_over_frozen` (the worst seed) tells whether even a
    model that is not promoted can be made to do harm by answers that are all wrong.
    """
    train, asked = judged(task.beir.train.grades), judged(task.beir.test.grades)
    tests, vectors = [task.beir.test.grades[q] for q in asked], task.vectors(asked)
    frozen = ndcg(nearest(task.corpus, vectors), tests).mean()
    counts: dict[str, Any] = {"full": 0, "adapter": 0, "either": 0, "of": seeds}
    worst = np.inf
    for seed in range(seeds):
        order = np.random.default_rng(seed).permutation(train)
        model = task.fit(train, [task.beir.train.grades[q] for q in order], seed)
        full = model.report.verdict.decision == "promote"
        adapter = model.adapter_report.verdict.decision == "promote"
        counts["full"] += full
        counts["adapter"] += adapter
        counts["either"] += full or adapter
        served = ndcg(model.rank(vectors, task.texts(asked), k=10)[1], tests).mean()
        worst = min(worst, served - frozen)
        note(f"  seed {seed}: {model.report.verdict} served {percent(served - frozen):+}")
    counts["served_over_frozen"] = percent(worst)
    note(f"  shuffled: {counts}")
    return counts


# -- running and keeping ------------------------------------------------------------------------


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
    return {name: own for name, own in result["figures"].items() if own.keys() & PARTS}


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


def measured(part: str, folder: Path, given: argparse.Namespace) -> dict[str, Any]:
    """The figures of one part for one set."""
    task = opened(folder)
    note(f"{part} {task.name}")
    if part == "quality":
        return quality(task, given.strategies)
    if part == "shuffled":
        return shuffled(task, given.shuffles)
    return {"halves": halves, "few": few}[part](task)


def shared(
    todo: Sequence[tuple[str, Path]], given: argparse.Namespace
) -> Iterator[tuple[str, Path, dict[str, Any]]]:
    """What `measured` says of each (part, folder), by processes that share the cores."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = str(max((os.cpu_count() or 1) // given.jobs, 1))
    with ProcessPoolExecutor(given.jobs, get_context("spawn")) as pool:
        running = {pool.submit(measured, *own, given): own for own in todo}
        for done in as_completed(running):
            yield *running[done], done.result()


def main() -> None:
    given = options()
    sets = kept() if given.save else {}
    todo = [(part, given.data / name) for part in given.parts for name in given.sets]
    alone = [own for own in todo if own[0] == "quality" or given.jobs == 1]
    try:
        for part, folder in alone:
            sets.setdefault(folder.name, {})[part] = measured(part, folder, given)
        for part, folder, figures in shared([own for own in todo if own not in alone], given):
            sets.setdefault(folder.name, {})[part] = figures
    finally:  # an interrupted run keeps what it has measured
        finish("tuning", summarised(sets), given.save)


if __name__ == "__main__":
    main()
