"""Exact search beside faiss-cpu's IndexFlatIP: 100,000 x 384, one query and 1,000, one run."""

import faiss
import numpy as np
from common import alternate, arguments, finish

import ragtune

N, D, K = 100_000, 384, 10


def unit(rng, n):
    x = rng.normal(size=(n, D)).astype(np.float32)
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def differing(ours, theirs):
    """Ids that differ, and the largest score gap among those: float32 ties if it is tiny."""
    (our_scores, our_ids), (scores, ids) = ours, theirs
    differs = our_ids != ids
    gap = float(np.abs(our_scores - scores)[differs].max(initial=0))
    return int(differs.sum()), gap


def main():
    options = arguments(__doc__)
    rng = np.random.default_rng(0)
    x, queries = unit(rng, N), unit(rng, 1000)
    ours = ragtune.Index(D, metric="ip")
    ours.add(x)
    peer = faiss.IndexFlatIP(D)
    peer.add(x)
    figures = {"n": N, "d": D, "k": K, "peer": f"faiss-cpu {faiss.__version__} IndexFlatIP"}
    for threads in (1, 2):
        faiss.omp_set_num_threads(threads)
        for nq in (1, 1000):
            q = queries[:nq]
            medians = alternate(
                {
                    "ragtune": lambda q=q, t=threads: ours.search(q, K, num_threads=t),
                    "faiss": lambda q=q: peer.search(q, K),
                },
                rounds=31 if nq == 1 else 7,
            )
            figures[f"{nq} queries, {threads} threads"] = {
                "ragtune_ms": round(1e3 * medians["ragtune"], 3),
                "faiss_ms": round(1e3 * medians["faiss"], 3),
                "ratio": round(medians["faiss"] / medians["ragtune"], 3),
            }
    count, gap = differing(ours.search(queries, K), peer.search(queries, K))
    figures["ids_that_differ_of_10000"], figures["largest_score_gap_there"] = count, gap
    finish("search", figures, options.save)


if __name__ == "__main__":
    main()
