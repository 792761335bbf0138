"""Exact search beside faiss-cpu's IndexFlatIP: 100,000 x 384, one query and 1,000, one run.

On uniform vectors and on clustered ones, where scores are closer and a bound prunes otherwise.
"""

import faiss
import numpy as np
from common import alternate, arguments, finish
from vectors import clustered, unit

import ragtune

N, D, K = 100_000, 384, 10


def uniform():
    rng = np.random.default_rng(0)
    return (unit(rng.standard_normal((n, D), dtype=np.float32)) for n in (N, 1000))


def differing(ours, theirs):
    """Ids that differ, and the largest score gap among those: float32 ties if it is tiny."""
    (our_scores, our_ids), (scores, ids) = ours, theirs
    differs = our_ids != ids
    gap = float(np.abs(our_scores - scores)[differs].max(initial=0))
    return int(differs.sum()), gap


def measure(x, queries, suffix):
    """Timings of both at one and two threads, and where their ids differ."""
    ours = ragtune.Index(D, metric="ip", kind="flat")
    ours.add(x)
    peer = faiss.IndexFlatIP(D)
    peer.add(x)
    figures = {}
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
            figures[f"{nq} queries, {threads} threads{suffix}"] = {
                "ragtune_ms": round(1e3 * medians["ragtune"], 3),
                "faiss_ms": round(1e3 * medians["faiss"], 3),
                "ratio": round(medians["faiss"] / medians["ragtune"], 3),
            }
    count, gap = differing(ours.search(queries, K), peer.search(queries, K))
    figures[f"ids_that_differ_of_10000{suffix}"] = count
    figures[f"largest_score_gap_there{suffix}"] = gap
    return figures


def main():
    options = arguments(__doc__)
    figures = {"n": N, "d": D, "k": K, "peer": f"faiss-cpu {faiss.__version__} IndexFlatIP"}
    figures |= measure(*uniform(), suffix="")
    figures |= measure(*clustered(N, D, seed=0, nq=1000), suffix=", clustered")
    finish("search", figures, options.save)


if __name__ == "__main__":
    main()
