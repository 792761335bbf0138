"""What it is worth to learn from pseudo-questions alone, on sets with real test questions.

Two pseudo-questions are cut out of each of some documents and embedded; the full model learns from
them and is asked the real questions of the test split, beside the best fixed mix that it found, the
frozen vectors, and what its own report promised.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
from common import finish
from tuning_peers import Set, judged, ndcg, nearest, percent, safe

import ragtune
from ragtune.questions.extractive import extract

SETS = "scifact", "tatqa", "covidqa", "pubmedqa"
DOCUMENTS = 400


def measure(task: Set, embedder: Any) -> dict[str, Any]:
    """Promised, and got on the test split, in percent of nDCG@10."""
    rows = np.sort(np.random.default_rng(0).permutation(len(task.corpus))[:DOCUMENTS])
    pairs = extract([str(row) for row in rows], [task.beir.texts[row] for row in rows])
    said = [pair.question for pair in pairs]
    vectors = embedder.embed_queries(said)
    model = ragtune.fit(
        task.corpus,
        vectors,
        [{int(pair.chunk_id): 1.0} for pair in pairs],
        texts=task.beir.texts,
        queries=said,
        parts=task.parts,
    )
    asked = judged(task.beir.test.grades)
    grades = [task.beir.test.grades[q] for q in asked]
    queries, texts = task.vectors(asked), task.texts(asked)
    change = model.report.overall["ndcg@10"]
    served = ndcg(model.rank(queries, texts, k=10)[1], grades)
    real = task.fit(judged(task.beir.train.grades), [
        task.beir.train.grades[q] for q in judged(task.beir.train.grades)
    ], 0)  # fmt: skip
    return {
        "pairs": len(pairs),
        "verdict": model.report.verdict.decision,
        "promised": percent(change.difference),
        "overlap": model.report.overlap,
        "frozen": percent(ndcg(nearest(task.corpus, queries), grades).mean()),
        "safe": {
            name: percent(ndcg(found, grades).mean())
            for name, found in safe(task, real, asked).items()
        },
        "served": percent(served.mean()),
        "served after real questions": percent(
            ndcg(real.rank(queries, texts, k=10)[1], grades).mean()
        ),
    }


def main() -> None:
    data = os.environ.get("RAGTUNE_DATA")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path(data) if data else None)
    parser.add_argument("--save", action="store_true", help="keep the figures in results/")
    options = parser.parse_args()
    if options.data is None:
        sys.exit("expected --data DIR or RAGTUNE_DATA")
    embedder = ragtune.LocalEmbedder()
    figures = {name: measure(Set.read(options.data / name), embedder) for name in SETS}
    finish("extractive", figures, options.save)


if __name__ == "__main__":
    main()
