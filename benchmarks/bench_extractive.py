"""What pseudo-questions that are taken out of the chunks are worth, where no question is known.

The full model learns from them alone, and the real questions of the test split are asked: beside
frozen embeddings, BM25, the best fixed mix that real training questions chose, and what they teach.
nDCG@10 in percent; `promised` is what the report says from held-out pseudo-questions.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from common import finish, note
from tuning_peers import COVERAGE, Set, by_words, fixed_mix, judged, ndcg, nearest, percent

from ragtune.arrays import unit_rows
from ragtune.embed import LocalEmbedder
from ragtune.questions.extractive import STYLES, extract
from ragtune.training_data import training_data
from ragtune.tuning import tune

SEED = 0


def pseudo(task: Set, style: str, count: int) -> tuple[list[str], list[dict[int, float]]]:
    """Pseudo-questions of `count` chunks drawn at random, with the chunk that each is taken of."""
    all_of = extract(task.beir.texts, [style])
    able = [row for row, own in enumerate(all_of) if own]
    rows = np.random.default_rng(SEED).permutation(able)[:count].tolist()
    return [all_of[row][0][0] for row in rows], [{row: 1.0} for row in rows]


def worth(task: Set, questions: Sequence[str], grades: Any, vectors: Any) -> dict[str, Any]:
    """Learn from pseudo-questions, and ask the test split."""
    begin = time.perf_counter()
    data = training_data(task.corpus, vectors, grades, None, list(questions))
    model = tune(data, task.sources, "auto", {}, COVERAGE, SEED, None)
    seconds = time.perf_counter() - begin
    chosen = judged(task.beir.test.grades)
    asked, texts = task.vectors(chosen), task.texts(chosen)
    tests = [task.beir.test.grades[q] for q in chosen]
    promise = model.report.slices["overall"]["ndcg@10"]
    rankings = {
        "fixed_mix_chosen_by_them": fixed_mix(model, asked, texts),
        "learned": model.full.rank(model.sources, asked, texts, 10, learned=True)[1],
        "served": model.rank(asked, texts, k=10)[1],
    }
    return {
        "questions": len(questions),
        "verdict": model.report.verdict.decision,
        "promised": percent(promise.difference),
        **{name: percent(ndcg(rows, tests).mean()) for name, rows in rankings.items()},
        "seconds": round(seconds, 1),
    }


def measured(task: Set, embedder: LocalEmbedder, count: int) -> dict[str, Any]:
    """Each style alone, both, and real training questions beside them."""
    chosen = judged(task.beir.test.grades)
    asked, texts = task.vectors(chosen), task.texts(chosen)
    tests = [task.beir.test.grades[q] for q in chosen]
    train = judged(task.beir.train.grades)
    real = task.texts(train), [task.beir.train.grades[q] for q in train], task.vectors(train)
    figures: dict[str, Any] = {
        "frozen": percent(ndcg(nearest(task.corpus, asked), tests).mean()),
        "BM25": percent(ndcg(by_words(task, texts), tests).mean()),
        "real": worth(task, *real),
    }
    figures["best_fixed_mix"] = figures["real"].pop("fixed_mix_chosen_by_them")
    taken = {}
    for style in STYLES:
        questions, grades = pseudo(task, style, count)
        taken[style] = questions, grades, unit_rows(embedder.embed_queries(questions))
    questions, grades, vectors = zip(*taken.values(), strict=True)
    taken["both"] = [*chain(*questions)], [*chain(*grades)], np.concatenate(vectors)
    for name, lesson in taken.items():
        own = worth(task, *lesson)
        own["learned_over_best_fixed_mix"] = round(own["learned"] - figures["best_fixed_mix"], 2)
        own["served_over_best_fixed_mix"] = round(own["served"] - figures["best_fixed_mix"], 2)
        figures[name] = own
        note(f"  {name}: {own}")
    return figures


def main() -> None:
    data = os.environ.get("RAGTUNE_DATA")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path(data) if data else None)
    parser.add_argument("--sets", nargs="+", help="folders below --data; all of them without")
    parser.add_argument("--count", type=int, default=400, help="chunks that are asked about")
    parser.add_argument("--save", action="store_true", help="keep the figures in results/")
    given = parser.parse_args()
    if not given.data:
        raise SystemExit("--data: expected the folder of the data sets")
    sets = given.sets or sorted(p.parent.name for p in given.data.glob("*/parts.minilm.f16.npy"))
    embedder, figures = LocalEmbedder(), {}
    for name in sets:
        note(name)
        figures[name] = measured(Set.read(given.data / name), embedder, given.count)
    finish("extractive", figures, given.save)


if __name__ == "__main__":
    main()
