"""Contrastive training again, slow and obvious, in float64."""

import numpy as np
import oracle


def logistic(x):
    return 1 / (1 + np.exp(-x))


def gelu(x):
    return x * logistic(2 * np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))


def residual(kind, matrices, queries):
    q, m = queries.astype(np.float64), {k: v.astype(np.float64) for k, v in matrices.items()}
    if kind == "linear":
        return q @ m["m"]
    if kind == "low_rank":
        return q @ m["a"] @ m["b"]
    return gelu(q @ m["a"] + m["bias"]) @ m["b"]


def penalty(kind, matrices):
    if kind == "linear":
        return (matrices["m"] ** 2).sum()
    if kind == "low_rank":
        return ((matrices["a"] @ matrices["b"]) ** 2).sum()
    return (matrices["b"] ** 2).sum()


def info_nce(corpus, adapted, relevant, temperature, negatives=None):
    """Loss of each query that has relevant documents {row: grade}; negatives: rows or all."""
    losses = []
    for i, grades in enumerate(relevant):
        kept = {row: grade for row, grade in grades.items() if grade > 0}
        if not kept:
            continue
        logits = corpus.astype(np.float64) @ adapted[i] / temperature
        others = range(len(corpus)) if negatives is None else negatives[i]
        mass = np.exp(logits[[r for r in others if r not in kept]]).sum()
        loss = sum(
            grade * (np.log(np.exp(logits[row]) + mass) - logits[row])
            for row, grade in kept.items()
        )
        losses.append(loss / sum(kept.values()))
    return np.array(losses)


def loss(kind, matrices, corpus, queries, relevant, temperature, weight=0.0):
    adapted = oracle.unit(queries.astype(np.float64) + residual(kind, matrices, queries))
    mean = info_nce(corpus, adapted, relevant, temperature).mean()
    return mean + weight * penalty(kind, matrices)


def slope(function, matrices, name, at, step=1e-5):
    """Central difference of function(matrices) in one entry."""
    values = []
    for sign in (1, -1):
        moved = {k: v.astype(np.float64).copy() for k, v in matrices.items()}
        moved[name][at] += sign * step
        values.append(function(moved))
    return (values[0] - values[1]) / (2 * step)


def linear_gradient(m, corpus, queries, relevant, temperature):
    """Of `loss` for the linear residual, by hand."""
    corpus, queries = corpus.astype(np.float64), queries.astype(np.float64)
    u = queries + queries @ m
    lengths = np.linalg.norm(u, axis=1, keepdims=True)
    adapted, du = u / lengths, np.zeros_like(u)
    for i, grades in enumerate(relevant):
        e = np.exp(corpus @ adapted[i] / temperature)
        negatives = np.array([row not in grades for row in range(len(corpus))])
        mass = e[negatives].sum()
        for row, grade in grades.items():
            weight, total = grade / sum(grades.values()), e[row] + mass
            du[i] += weight * (e[negatives] @ corpus[negatives] - mass * corpus[row]) / total
    du /= temperature
    du = (du - (du * adapted).sum(axis=1, keepdims=True) * adapted) / lengths
    return queries.T @ du / len(relevant)


def train_linear(corpus, queries, relevant, *, epochs, rate, temperature, weight, clip=1.0):
    """Full batches: Adam, 10 % warm-up, half a cosine, clipping. -> M"""
    m = np.zeros((corpus.shape[1],) * 2)
    mean, square = np.zeros_like(m), np.zeros_like(m)
    warm_up = int(np.ceil(0.1 * epochs))
    for t in range(1, epochs + 1):
        g = linear_gradient(m, corpus, queries, relevant, temperature) + 2 * weight * m
        g *= min(1, clip / np.linalg.norm(g))
        mean, square = 0.9 * mean + 0.1 * g, 0.999 * square + 0.001 * g**2
        done = (t - warm_up) / max(epochs - warm_up, 1)
        now = rate * (t / warm_up if t <= warm_up else (1 + np.cos(np.pi * done)) / 2)
        m = m - now * (mean / (1 - 0.9**t)) / (np.sqrt(square / (1 - 0.999**t)) + 1e-8)
    return m
