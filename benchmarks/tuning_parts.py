"""What bench_tuning.py measures of one set: each part takes it and returns its figures."""

from __future__ import annotations

import argparse
import contextlib
import io
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from common import note
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


PARTS: dict[str, Callable[[Set, argparse.Namespace], dict[str, Any]]] = {
    "quality": lambda task, given: quality(task, given.strategies),
    "halves": lambda task, _: halves(task),
    "few": lambda task, _: few(task),
    "shuffled": lambda task, given: shuffled(task, given.shuffles),
}
TIMED = "quality"  # the only part that tells how long anything takes
