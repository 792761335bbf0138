"""The core again, slow and obvious. Tests compare the C++ with these."""

import re
from collections import Counter
from math import log, log2

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


STOP_WORDS = (
    *("a", "an", "and", "are", "as", "at", "be", "but", "by", "for", "if", "in", "into", "is"),
    *("it", "no", "not", "of", "on", "or", "such", "that", "the", "their", "then", "there"),
    *("these", "they", "this", "to", "was", "will", "with"),
)


def words(text, stop_words=()):
    """Tokens as bm25s makes them before stemming."""
    return [w for w in re.findall(r"(?u)\b\w\w+\b", text.lower()) if w not in stop_words]


BM25_IDF = {
    "lucene": lambda df, n: log(1 + (n - df + 0.5) / (df + 0.5)),
    "robertson": lambda df, n: log(max(1, (n - df + 0.5) / (df + 0.5))),
    "atire": lambda df, n: log(n / df),
    "bm25l": lambda df, n: log((n + 1) / (df + 0.5)),
    "bm25+": lambda df, n: log((n + 1) / df),
}


def bm25_tf(method, tf, length, mean, k1, b):
    norm = 1 - b + b * length / mean
    if method in ("lucene", "robertson"):
        return tf / (tf + k1 * norm)
    if method == "bm25l":
        return (k1 + 1) * (tf / norm + 0.5) / (k1 + tf / norm + 0.5)
    return (k1 + 1) * tf / (tf + k1 * norm) + (0.5 if method == "bm25+" else 0)


def bm25(documents, asked, method="lucene", k1=1.5, b=0.75):
    """{row: score} of the documents {row: tokens} that have one of the tokens asked for."""
    counts = {row: Counter(tokens) for row, tokens in documents.items()}
    n = len(documents)
    mean = sum(map(len, documents.values())) / max(n, 1)
    df = {token: sum(token in c for c in counts.values()) for token in set(asked)}
    idf = {token: BM25_IDF[method](f, n) if f else 0 for token, f in df.items()}
    return {
        row: sum(
            idf[token] * bm25_tf(method, c[token], len(documents[row]), mean, k1, b)
            for token in asked
            if idf[token]
        )
        for row, c in counts.items()
        if any(c[token] and idf[token] for token in asked)
    }


def coordination(documents, asked, method="lucene"):
    """{row: share of the idf asked for that it has the tokens of} of documents {row: tokens}."""
    n = len(documents)
    df = {token: sum(token in own for own in documents.values()) for token in set(asked)}
    idf = {token: BM25_IDF[method](f, n) if f else 0 for token, f in df.items()}
    total = sum(idf[token] for token in asked)
    return {
        row: sum(idf[token] for token in asked if token in own) / total if total else 0.0
        for row, own in documents.items()
    }


def union(proposals):
    """Rows of each query once, ascending, -1 padded to the longest, at least one column."""
    kept = [
        sorted({int(row) for own in proposals for row in own[q] if row >= 0})
        for q in range(len(proposals[0]))
    ]
    width = max([1, *map(len, kept)])
    return np.array([rows + [-1] * (width - len(rows)) for rows in kept]).reshape(-1, width)


def standardized(scores, mask):
    """Mean 0 and deviation 1 over the candidates of each query, in float64."""
    out = np.zeros(scores.shape)
    for q, own in enumerate(mask):
        x = scores[q, own].astype(np.float64)
        if len(x):
            out[q, own] = (x - x.mean()) / (x.std() + 1e-6)
    return out


def softmax(scores, mask):
    out = np.zeros(scores.shape)
    for q, own in enumerate(mask):
        if own.any():
            powers = np.exp(scores[q, own] - scores[q, own].max())
            out[q, own] = powers / powers.sum()
    return out


def candidate_ranks(rows, scores, relevant):
    """Ranks of the relevant rows of one query among its candidates; None if it is none."""
    order = sorted((-s, c) for c, s in enumerate(scores) if rows[c] >= 0)
    ranked = [int(rows[c]) for _, c in order]
    return [ranked.index(row) if row in ranked else None for row in relevant]


def logistic_regression(inputs, is_seen, importance, penalty, steps=40_000, rate=0.5):
    """Weights and constant (f + 1,) by plain gradient descent on standardised inputs."""
    x = (inputs - inputs.mean(axis=0)) / (inputs.std(axis=0) + 1e-9)
    x, share = np.column_stack([x, np.ones(len(x))]), importance / importance.sum()
    weights = np.zeros(x.shape[1])
    for _ in range(steps):
        p = 1 / (1 + np.exp(-(x @ weights)))
        weights = weights - rate * (x.T @ (share * (p - is_seen)) + penalty * weights)
    return weights


def shared_words(asked, stored):
    """Cosine (len(asked), len(stored)) of sets of tokens weighted by idf over the stored."""
    asked, stored = [set(a) for a in asked], [set(s) for s in stored]

    def idf(token):
        return log(1 + len(stored) / (sum(token in s for s in stored) + 0.5))

    def length(tokens):
        return sum(idf(token) ** 2 for token in tokens) ** 0.5 or 1.0

    return np.array(
        [[sum(idf(t) ** 2 for t in a & s) / (length(a) * length(s)) for s in stored] for a in asked]
    ).reshape(len(asked), len(stored))
