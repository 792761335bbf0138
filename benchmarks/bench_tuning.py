"""What tuning gains on data sets with given embeddings: learn on train, ask test.

Also how often shuffled answers are promoted: a promise that should not be made.
"""

import time

import numpy as np
from common import arguments, finish

import ragtune
from ragtune import _core
from ragtune.evaluation import read_beir

SETS = "scifact", "tatqa", "covidqa", "pubmedqa"
SHUFFLES = 25


def load(folder):
    corpus, queries = (np.load(folder / f"{part}.minilm.f16.npy") for part in ("corpus", "queries"))
    return read_beir(folder), corpus.astype(np.float32), queries.astype(np.float32)


def test_scores(beir, rows, test):
    qrels = ragtune.Qrels([beir.test.grades[q] for q in test])
    scores = ragtune.evaluate(ragtune.Run(rows), qrels, ["ndcg@10"])["ndcg@10"]
    trained = {row for grades in beir.train.grades for row in grades}
    seen = np.array([any(row in trained for row in beir.test.grades[q]) for q in test])
    return {
        name: round(100 * float(scores[part].mean()), 1) if part.any() else None
        for name, part in (("all", seen | True), ("seen", seen), ("unseen", ~seen))
    }


def measure(folder):
    beir, corpus, queries = load(folder)
    begin = time.perf_counter()
    model = ragtune.fit(corpus, queries, beir.train.grades)
    seconds = time.perf_counter() - begin
    test = [q for q, grades in enumerate(beir.test.grades) if grades]
    asked = np.ascontiguousarray(queries[test])
    frozen = _core.exact_search(corpus, asked, k=10)[1]
    served = model.rank(asked, 10)[1]
    return {
        "verdict": model.report.verdict.decision,
        "promised_ndcg@10": round(100 * model.report.overall["ndcg@10"].difference, 1),
        "frozen": test_scores(beir, frozen, test),
        "served": test_scores(beir, served, test),
        "fit_seconds": round(seconds, 2),
    }


def false_promises(folder):
    beir, corpus, queries = load(folder)
    asked = [q for q, grades in enumerate(beir.train.grades) if grades]
    answers = [beir.train.grades[q] for q in asked]
    promoted = 0
    for seed in range(SHUFFLES):
        order = np.random.default_rng(seed).permutation(len(answers))
        model = ragtune.fit(corpus, queries[asked], [answers[i] for i in order], seed=seed)
        promoted += model.report.verdict.decision == "promote"
    return promoted


def main():
    options = arguments(__doc__)
    if not options.data:
        raise SystemExit("--data: expected the folder of the data sets")
    figures = {name: measure(options.data / name) for name in SETS}
    promoted = {name: false_promises(options.data / name) for name in SETS}
    figures["shuffled_answers_promoted"] = promoted | {"of": SHUFFLES, "each": True}
    finish("tuning", figures, options.save)


if __name__ == "__main__":
    main()
