"""Metrics beside ranx (warm): MS MARCO dev's shape, 6,980 queries x depth 100, from arrays."""

import numpy as np
import pytrec_eval
import ranx
from common import alternate, arguments, finish

import ragtune

NQ, DEPTH = 6980, 100
OURS = ["recall@100", "mrr@10", "ndcg@10", "map@100", "precision@10", "hit_rate@10"]


def random_case(rng):
    """One random query without ties: ids best first, grades, falling scores."""
    ids = rng.permutation(50)[: rng.integers(10, 40)]
    judged = rng.choice(60, size=rng.integers(1, 15), replace=False)
    return ids, {int(doc): int(rng.integers(0, 4)) for doc in judged}


def agreement(cases=1000):
    """Largest difference to ranx and to pytrec_eval over random cases."""
    rng = np.random.default_rng(0)
    ids, grades = zip(*(random_case(rng) for _ in range(cases)), strict=True)
    padded = np.full((cases, 40), -1)
    for row, ranked in zip(padded, ids, strict=True):
        row[: len(ranked)] = ranked
    mine = ragtune.evaluate(ragtune.Run(padded), ragtune.Qrels(grades), OURS)
    run = {f"q{q}": {f"d{d}": 1.0 - r / 100 for r, d in enumerate(i)} for q, i in enumerate(ids)}
    qrels = {f"q{q}": {f"d{d}": grade for d, grade in g.items()} for q, g in enumerate(grades)}
    judged = [q for q, g in enumerate(grades) if any(v > 0 for v in g.values())]
    theirs = ranx.evaluate(ranx.Qrels(qrels), ranx.Run(run), OURS, return_mean=False)
    order = np.argsort([f"q{q}" for q in range(cases)])  # ranx sorts by query id
    keep = np.isin(order, judged)
    worst_ranx = max(np.abs(theirs[m] - mine[m][order])[keep].max() for m in OURS)
    trec = {"recall.100": "recall@100", "ndcg_cut.10": "ndcg@10", "map_cut.100": "map@100",
            "P.10": "precision@10"}  # fmt: skip
    judge = pytrec_eval.RelevanceEvaluator(qrels, set(trec)).evaluate(run)
    worst_trec = max(
        abs(judge[f"q{q}"][theirs.replace(".", "_")] - mine[ours][q])
        for theirs, ours in trec.items()
        for q in judged
    )
    return {"cases": cases, "largest_difference_ranx": float(worst_ranx),
            "largest_difference_pytrec_eval": float(worst_trec)}  # fmt: skip


def main():
    options = arguments(__doc__)
    rng = np.random.default_rng(0)
    ids = np.argsort(rng.random((NQ, 1000)), axis=1)[:, :DEPTH].astype(np.int64)
    relevant = ids[np.arange(NQ), rng.integers(0, DEPTH, NQ)]
    scores = np.linspace(1, 0, DEPTH)
    run, qrels = ragtune.Run(ids), ragtune.Qrels([{int(doc): 1.0} for doc in relevant])
    # ranx's own array types: what its evaluate works on once it has left dictionaries behind.
    peer_run = np.stack([ids.astype(np.float64), np.broadcast_to(scores, ids.shape)], axis=2)
    peer_qrels = np.stack([relevant[:, None].astype(np.float64), np.ones((NQ, 1))], axis=2)
    figures = {"queries": NQ, "depth": DEPTH, **agreement()}
    for metric in OURS:
        medians = alternate(
            {
                "ragtune": lambda m=metric: ragtune.evaluate(run, qrels, [m]),
                "ranx": lambda m=metric: ranx.evaluate(peer_qrels, peer_run, [m], threads=2),
            },
            rounds=15,
        )
        figures[metric] = {
            "ragtune_ms": round(1e3 * medians["ragtune"], 3),
            "ranx_ms": round(1e3 * medians["ranx"], 3),
            "ratio": round(medians["ranx"] / medians["ragtune"], 2),
        }
    finish("metrics", figures, options.save)


if __name__ == "__main__":
    main()
