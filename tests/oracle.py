"""The core again, slow and obvious. Tests compare the C++ with these."""

from math import log2

import numpy as np


def exact_search(corpus, queries, k, l2=False):
    """Rows and scores in float64, ties by row."""
    corpus, queries = corpus.astype(np.float64), queries.astype(np.float64)
    scores = queries @ corpus.T
    if l2:
        scores = -((queries[:, None] - corpus[None]) ** 2).sum(axis=2)
    rows = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(scores, rows, axis=1), rows


def bf16(x):
    """Rounded to the nearest number of which 16 bits are zero, ties to even."""
    bits = np.asarray(x, dtype=np.float32).view(np.uint32).astype(np.uint64)
    rounded = (bits + 0x7FFF + (bits >> 16 & 1)) >> 16 << 16
    return rounded.astype(np.uint32).view(np.float32)


def nearest(x, queries, k, metric="ip", store="f32"):
    """Scores and rows (nq, k) in float64 as an index keeps x, ties by row.

    Every row is summed in the same order, which `@` does not promise: equal rows tie.
    """
    if metric == "cosine":
        x, queries = (unit(v).astype(np.float32) for v in (x, queries))
    x = (bf16(x) if store == "bf16" else x).astype(np.float64)
    scores = np.empty((len(queries), len(x)))
    for out, q in zip(scores, queries.astype(np.float64), strict=True):
        out[:] = -((q - x) ** 2).sum(axis=1) if metric == "l2" else (q * x).sum(axis=1)
    rows = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(scores, rows, axis=1), rows


def recall(found, expected):
    """Share of the expected rows (nq, k) that were found."""
    shares = [np.isin(e, f).mean() for f, e in zip(found, expected, strict=True)]
    return float(np.mean(shares))


def ridge(queries, documents, weights, penalty):
    """W = (Q'VQ + penalty I)^-1 (Q'VD + penalty I)."""
    q, d, v = (np.asarray(a, dtype=np.float64) for a in (queries, documents, weights))
    eye = np.eye(q.shape[1])
    return np.linalg.solve((q.T * v) @ q + penalty * eye, (q.T * v) @ d + penalty * eye)


def unit(x):
    lengths = np.linalg.norm(x.astype(np.float64), axis=-1, keepdims=True)
    return x / np.where(lengths == 0, 1, lengths)


def relevant_ranks(corpus, query, adapted, alpha, rows):
    scores = corpus @ (query + alpha * (adapted - query))
    return [int((scores > scores[r]).sum() + (scores[:r] == scores[r]).sum()) for r in rows]


def metric(name, ids, grades, k):
    """One query: ids best first (-1 is none), grades {id: grade}."""
    relevant = {doc for doc, grade in grades.items() if grade > 0}
    first, seen = [], set()
    for rank, doc in enumerate(list(ids)[:k]):
        if doc in relevant and doc not in seen:
            first.append((rank, doc))
            seen.add(doc)
    if not relevant:
        return 0.0
    if name == "recall":
        return len(first) / len(relevant)
    if name == "precision":
        return len(first) / k
    if name == "hit_rate":
        return float(bool(first))
    if name == "mrr":
        return 1 / (first[0][0] + 1) if first else 0.0
    if name == "map":
        return sum((i + 1) / (rank + 1) for i, (rank, _) in enumerate(first)) / len(relevant)
    best = sorted((grades[doc] for doc in relevant), reverse=True)[:k]
    gain = sum(grades[doc] / log2(rank + 2) for rank, doc in first)
    return gain / sum(grade / log2(rank + 2) for rank, grade in enumerate(best))


def weighted_mean(differences, strata, weights):
    """Mean over strata of the mean within each; strata without a query are left out."""
    present = [s for s in range(len(weights)) if (strata == s).any()]
    total = sum(weights[s] for s in present)
    return sum(weights[s] * differences[strata == s].mean() for s in present) / total
