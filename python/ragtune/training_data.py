"""What learners take: unit vectors, positive pairs, and what each query should move towards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ragtune import _core
from ragtune.arrays import as_count, as_ids, as_matrix, unit_rows
from ragtune.inputs import strings
from ragtune.inverse_cloze import Sentences
from ragtune.legs import Lexical, Matrix, Sources

NEGATIVES = 10  # rows that the frozen embeddings put first though they are not relevant
NEAR_DUPLICATE = 0.98  # cosine above which two chunks count as one document

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Parts = tuple[ArrayLike, ArrayLike]  # vectors of sentences (p, d), and the row of each (p,)


@dataclass(frozen=True)
class TrainingData:
    """Unit-length embeddings and positive pairs; every query has at least one.

    Shapes: corpus (n, d), queries (nq, d), pair_query, pair_row and pair_grade (pairs,)
    sorted by query, groups (n,) with one number per document group. `answers` and `negatives`
    (nq, d) are the means of each query's relevant rows, by grade, and of its hard negatives.
    `asked` (nq,) tells which of the caller's queries each is, and `nearest` (nq, k) are the rows
    that the frozen embeddings find. `query_texts` (nq,) if known. `parts` are the sentences of the
    corpus, None without any.
    """

    corpus: Floats
    queries: Floats
    pair_query: Ints
    pair_row: Ints
    pair_grade: Floats
    groups: Ints
    answers: Floats
    negatives: Floats
    asked: Ints
    nearest: Ints
    query_texts: list[str] | None = None
    language: str = "english"
    parts: Sentences | None = None

    @property
    def csr(self) -> tuple[Ints, Ints, Floats]:
        """The pairs as offsets (nq + 1,), corpus rows and grades (pairs,)."""
        offsets = np.searchsorted(self.pair_query, np.arange(len(self.queries) + 1))
        return offsets.astype(np.int64), self.pair_row, self.pair_grade

    @property
    def query_groups(self) -> Ints:
        """The document group of each query's first relevant document, (nq,)."""
        offsets = self.csr[0]
        return self.groups[self.pair_row[offsets[:-1]]]

    def only(self, queries: Ints) -> TrainingData:
        """The same with some of the queries (ascending) and their pairs."""
        keep = np.isin(self.pair_query, queries)
        texts = self.query_texts
        return replace(
            self,
            queries=np.ascontiguousarray(self.queries[queries]),
            pair_query=np.searchsorted(queries, self.pair_query[keep]).astype(np.int64),
            pair_row=self.pair_row[keep],
            pair_grade=self.pair_grade[keep],
            answers=np.ascontiguousarray(self.answers[queries]),
            negatives=np.ascontiguousarray(self.negatives[queries]),
            asked=self.asked[queries],
            nearest=np.ascontiguousarray(self.nearest[queries]),
            query_texts=None if texts is None else [texts[q] for q in queries],
        )

    def dealt_anew(self, random: np.random.Generator) -> TrainingData:
        """The same with the answers shuffled among the pairs: what remains teaches nothing.

        So are the rows of the sentences, always in the same way.
        """
        rows = random.permutation(self.pair_row)
        parts = None if self.parts is None else self.parts.dealt_anew
        pairs = self.pair_query, rows, self.pair_grade
        answers, negatives = _targets(self.corpus, self.nearest, *pairs)
        return replace(self, pair_row=rows, answers=answers, negatives=negatives, parts=parts)


def training_data(
    corpus_embeddings: ArrayLike,
    query_embeddings: ArrayLike,
    qrels: Sequence[Mapping[int, float]],
    groups: Sequence[Any] | None = None,
    queries: Sequence[str] | None = None,
    parts: Parts | None = None,
) -> TrainingData:
    """Check what the user gave and bring it into the form that learners take.

    Raises:
        TypeError: A value is of the wrong type.
        ValueError: Shapes differ, a row is unknown, also of a part, or no query has a relevant row.
    """
    corpus = unit_rows(as_matrix(corpus_embeddings, "corpus_embeddings"))
    vectors = as_matrix(query_embeddings, "query_embeddings", dimension=corpus.shape[1])
    if not isinstance(qrels, Sequence):
        raise TypeError(f"qrels: expected a sequence of mappings, got {type(qrels).__name__}")
    if len(qrels) != len(vectors):
        raise ValueError(f"qrels: expected {len(vectors)} mappings, got {len(qrels)}")
    texts = None if queries is None else strings(queries, "queries", len(vectors))
    if groups is not None and len(groups) != len(corpus):
        raise ValueError(f"groups: expected {len(corpus)} labels, got {len(groups)}")
    labels = range(len(corpus)) if groups is None else groups
    numbers = {label: number for number, label in enumerate(dict.fromkeys(labels))}
    group_of = np.array([numbers[label] for label in labels], dtype=np.int64)
    query, row, grade = _positive_pairs(qrels, len(corpus))
    kept, query = np.unique(query, return_inverse=True)
    query, unit = query.astype(np.int64), unit_rows(vectors[kept])
    nearest = _nearest(corpus, unit, query)
    answers, negatives = _targets(corpus, nearest, query, row, grade)
    return TrainingData(
        corpus=corpus,
        queries=unit,
        pair_query=query,
        pair_row=row,
        pair_grade=grade,
        groups=glue_near_duplicates(corpus, row, group_of),
        answers=answers,
        negatives=negatives,
        asked=kept.astype(np.int64),
        nearest=nearest,
        query_texts=None if texts is None else [texts[q] for q in kept],
        parts=None if parts is None else _checked(parts, corpus),
    )


def _checked(parts: Parts, corpus: Floats) -> Sentences | None:
    """The sentences of a corpus (n, d), None if there are none."""
    if len(parts) != 2:
        raise ValueError(f"parts: expected (embeddings, rows), got {len(parts)} values")
    n = len(corpus)
    embeddings = as_matrix(parts[0], "parts[0]", dimension=corpus.shape[1])
    rows = as_ids(parts[1], "parts[1]", count=len(embeddings))
    if len(rows) and not 0 <= rows.min() <= rows.max() < n:
        wrong = rows[(rows < 0) | (rows >= n)][0]
        raise ValueError(f"parts[1]: expected rows in [0, {n}), got {wrong}")
    return Sentences(corpus, embeddings, rows) if len(rows) else None


def sources_of(corpus: Floats, texts: Sequence[str] | None, parts: Sentences | None) -> Sources:
    """The legs of a corpus (n, d) that need no learning.

    Raises:
        TypeError: A text is not a string.
        ValueError: There are more or fewer texts than rows.
    """
    n, lexical, vectors = len(corpus), None, None
    if texts is not None:
        lexical = Lexical()
        lexical.add(np.arange(n, dtype=np.int64), list(strings(texts, "texts", n)))
    if parts is not None:
        vectors = _core.Parts(corpus.shape[1])
        vectors.add(parts.vectors, parts.rows)
    return Sources(Matrix(corpus), lexical, vectors)


def _positive_pairs(qrels: Sequence[Mapping[int, float]], n: int) -> tuple[Ints, Ints, Floats]:
    pairs = []
    for query, grades in enumerate(qrels):
        if not isinstance(grades, Mapping):
            raise TypeError(f"qrels[{query}]: expected a mapping, got {type(grades).__name__}")
        for row, grade in grades.items():
            if not 0 <= as_count(row, f"qrels[{query}]", least=-(2**31)) < n:
                raise ValueError(f"qrels[{query}]: expected rows in [0, {n}), got {row}")
            if isinstance(grade, bool) or not isinstance(grade, int | float | np.number):
                raise TypeError(
                    f"qrels[{query}]: expected a number as grade, got {type(grade).__name__}"
                )
            if not np.isfinite(grade):
                raise ValueError(f"qrels[{query}]: expected a finite grade, got {grade}")
            if grade > 0:
                pairs.append((query, int(row), float(grade)))
    if not pairs:
        raise ValueError("qrels: expected at least one query with a relevant row, got none")
    query_of, row_of, grade_of = zip(*pairs, strict=True)
    return np.array(query_of), np.array(row_of), np.array(grade_of, dtype=np.float32)


def _targets(
    corpus: Floats, nearest: Ints, pair_query: Ints, pair_row: Ints, pair_grade: Floats
) -> tuple[Floats, Floats]:
    """Means (nq, d) of each query's relevant rows and of its hard negatives."""
    nq, n = len(nearest), len(corpus)
    totals = np.bincount(pair_query, weights=pair_grade, minlength=nq)
    shares = (pair_grade / totals[pair_query]).astype(np.float32)
    answers = np.zeros((nq, corpus.shape[1]), dtype=np.float32)
    np.add.at(answers, pair_query, shares[:, None] * corpus[pair_row])
    known = np.sort(pair_query * n + pair_row)
    asked = np.arange(nq)[:, None] * n + nearest
    at = np.minimum(np.searchsorted(known, asked), len(known) - 1)
    wrong = known[at] != asked
    first = wrong & (np.cumsum(wrong, axis=1) <= NEGATIVES)
    weights = (first / np.maximum(first.sum(axis=1), 1)[:, None]).astype(np.float32)
    negatives = np.zeros_like(answers)
    for column in range(nearest.shape[1]):
        negatives += weights[:, column, None] * corpus[nearest[:, column]]
    none = ~first.any(axis=1)
    negatives[none] = answers[none]
    return answers, negatives


def _nearest(corpus: Floats, queries: Floats, pair_query: Ints) -> Ints:
    """So many rows (nq, k) that `NEGATIVES` of them are not relevant, if there are so many."""
    most = int(np.bincount(pair_query, minlength=1).max())
    return _core.exact_search(corpus, queries, k=min(NEGATIVES + most, len(corpus)))[1]


def glue_near_duplicates(corpus: Floats, rows: Ints, groups: Ints) -> Ints:
    """Merge the groups of judged chunks (`rows`) that say nearly the same; returns groups (n,).

    Without this a copy of a training document would pass for an unseen one.
    """
    judged = np.unique(rows)
    scores, neighbours = _core.exact_search(
        np.ascontiguousarray(corpus[judged]), np.ascontiguousarray(corpus[judged]), k=8
    )
    near = (scores >= NEAR_DUPLICATE) & (neighbours >= 0)
    left = np.repeat(judged, near.sum(axis=1))
    right = judged[neighbours[near]]
    return _merged(groups, groups[left], groups[right])


def _merged(groups: Ints, left: Ints, right: Ints) -> Ints:
    parent = np.arange(groups.max(initial=0) + 1)

    def root(group: int) -> int:
        while parent[group] != group:
            parent[group] = parent[parent[group]]
            group = int(parent[group])
        return group

    for a, b in zip(left.tolist(), right.tolist(), strict=True):
        a, b = root(a), root(b)
        parent[max(a, b)] = min(a, b)
    return np.array([root(group) for group in range(len(parent))])[groups]
