"""Score rankings against relevance judgments.

A *run* is what a retriever returned, *qrels* is what it should have returned; both are
the terms of TREC. Inside, document ids are rows of the corpus (-1 is none); `read_beir`
brings string ids there.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ragtune import _core

Scores: TypeAlias = dict[str, NDArray[np.float64]]
"""Metric name -> value of each query, (nq,)."""

METRICS = ("recall@1", "recall@5", "recall@10", "mrr@10", "ndcg@10")


@dataclass(frozen=True, slots=True)
class Run:
    """Ranked corpus rows of each query, shape (nq, k), best first, -1 for none."""

    ids: NDArray[np.int64]

    def __post_init__(self) -> None:
        ids = np.asarray(self.ids)
        if ids.ndim != 2:
            raise ValueError(f"ids: expected shape (nq, k), got {ids.shape}")
        if ids.dtype.kind not in "iu":
            raise TypeError(f"ids: expected integers, got {ids.dtype}")
        object.__setattr__(self, "ids", np.ascontiguousarray(ids, dtype=np.int64))


@dataclass(frozen=True)
class Qrels:
    """Grade of each judged corpus row, one mapping per query; above 0 is relevant."""

    grades: Sequence[Mapping[int, float]]

    def __len__(self) -> int:
        return len(self.grades)

    @cached_property
    def csr(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
        """Offsets (nq + 1,), corpus rows (nnz,) and grades (nnz,)."""
        sizes = [len(query) for query in self.grades]
        offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        ids = np.array([row for query in self.grades for row in query], dtype=np.int64)
        grades = np.array([g for query in self.grades for g in query.values()], dtype=np.float32)
        return offsets, ids, grades


def evaluate(run: Run, qrels: Qrels, metrics: Sequence[str] = METRICS) -> Scores:
    """Score every query of `run` under metrics such as `ndcg@10`.

    Names are recall, precision, hit_rate, mrr, map or ndcg, then @ and the depth. A run
    shorter than the depth counts as padded with misses, as in trec_eval.

    Raises:
        ValueError: A metric is unknown or the queries differ in number.
    """
    values = _core.evaluate_rankings(
        run.ids, *qrels.csr, metrics=[parse_metric(name) for name in metrics]
    )
    return dict(zip(metrics, values, strict=True))


def parse_metric(name: str) -> tuple[str, int]:
    """Split `ndcg@10` into ("ndcg", 10).

    Raises:
        ValueError: There is no depth of at least 1.
    """
    match = re.fullmatch(r"(\w+)@([1-9]\d{0,8})", name)
    if not match:
        raise ValueError(f"metric: expected a name and a depth such as 'recall@10', got {name!r}")
    return match[1], int(match[2])


@dataclass(frozen=True, slots=True)
class Beir:
    """A retrieval set in BEIR layout, texts as they are, judgments by row."""

    ids: list[str]
    texts: list[str]
    queries: list[str]
    train: Qrels
    test: Qrels


def read_beir(folder: str | Path) -> Beir:
    """Read corpus.jsonl, queries.jsonl and qrels/{train,test}.tsv of `folder`.

    A text is the title and the text with a space between. A split without a file has no
    judgments.

    Raises:
        FileNotFoundError: The corpus or the queries are missing.
        ValueError: A line is bad; the message names file, line and reason.
    """
    folder = Path(folder)
    for needed in ("corpus.jsonl", "queries.jsonl"):
        if not (folder / needed).is_file():
            raise FileNotFoundError(f"{folder / needed}: expected a BEIR folder with this file")
    ids, bodies, titles = _core.read_jsonl(
        str(folder / "corpus.jsonl"), required=["_id", "text"], optional=["title"]
    )
    query_ids, queries = _core.read_jsonl(str(folder / "queries.jsonl"), required=["_id", "text"])
    texts = [
        f"{title} {body}" if title else body for title, body in zip(titles, bodies, strict=True)
    ]
    row_of = _rows(ids, folder / "corpus.jsonl")
    query_of = _rows(query_ids, folder / "queries.jsonl")
    splits = [
        _read_qrels(folder / "qrels" / f"{split}.tsv", query_of, row_of)
        for split in ("train", "test")
    ]
    return Beir(ids, texts, queries, *splits)


def _rows(ids: list[str], path: Path) -> dict[str, int]:
    rows = {id_: row for row, id_ in enumerate(ids)}
    if len(rows) < len(ids):
        repeated = next(id_ for row, id_ in enumerate(ids) if rows[id_] != row)
        raise ValueError(f"{path}: expected distinct ids, got {repeated!r} twice")
    return rows


def _read_qrels(path: Path, query_of: dict[str, int], row_of: dict[str, int]) -> Qrels:
    grades: list[dict[int, float]] = [{} for _ in query_of]
    if path.is_file():
        with path.open(encoding="utf-8", newline="") as file:
            for number, line in enumerate(csv.reader(file, delimiter="\t"), start=1):
                if number == 1 and line[:1] == ["query-id"]:
                    continue
                try:
                    query, document, grade = line
                    grades[query_of[query]][row_of[document]] = float(grade)
                except KeyError as error:
                    raise ValueError(f"{path}:{number}: unknown id {error}") from None
                except ValueError:
                    raise ValueError(
                        f"{path}:{number}: expected query-id, corpus-id and a number, got {line}"
                    ) from None
    return Qrels(grades)
