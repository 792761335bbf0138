"""`memory.datasets`: judged questions of the user's own, checked before they are relied on."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from ragtune.store import Item, Store
from ragtune.types import Pair

SPLITS = ("train", "valid", "test")
MOST_OF_ALL = 0.5  # share of the questions that one chunk may answer, from so many questions on
ENOUGH = 20
NAMED = 5  # examples that a problem names


class Datasets:
    """Data sets of a memory: `draft -> processing -> ready | error`, with the reasons."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def import_(self, name: str, items: Iterable[Item]) -> dict[str, Any]:
        """Keep a data set and validate it; returns it with its `status` and `problems`.

        Raises:
            TypeError: An item is not an `Item`.
            ValueError: The name is empty or taken, or an item is wrong in itself.
        """
        if not name.strip():
            raise ValueError("name: expected one, got none")
        kept = list(items)
        for number, item in enumerate(kept):
            if not isinstance(item, Item):
                raise TypeError(f"items[{number}]: expected Item, got {type(item).__name__}")
            if item.split not in SPLITS:
                raise ValueError(
                    f"items[{number}]: expected a split among {', '.join(SPLITS)}, "
                    f"got {item.split!r}"
                )
            if not math.isfinite(item.relevance):
                raise ValueError(
                    f"items[{number}]: expected a finite relevance, got {item.relevance}"
                )
        return self.validate(self._store.datasets.add(name, kept))

    def validate(self, dataset_id: str) -> dict[str, Any]:
        """Check a data set against the chunks that there are now.

        Raises:
            ValueError: There is none of that id.
        """
        self._store.datasets.mark(dataset_id, "processing")
        items = self._store.datasets.items(dataset_id)
        ids = list(dict.fromkeys(item.chunk_id for item in items))
        problems = list(problems_of(items, set(self._store.chunks.text_hashes(ids))))
        splits = Counter(item.split for item in items)
        counts = {"items": len(items), "questions": len({i.question for i in items})} | splits
        status = "error" if problems else "ready"
        self._store.datasets.mark(dataset_id, status, problems=problems, counts=counts)
        return self._store.datasets.get(dataset_id)

    def get(self, dataset_id: str) -> dict[str, Any]:
        """A data set without its items.

        Raises:
            ValueError: There is none of that id.
        """
        return self._store.datasets.get(dataset_id)

    def items(self, dataset_id: str) -> list[Item]:
        """What a data set holds, in its order."""
        return self._store.datasets.items(dataset_id)

    def pairs(self, dataset_id: str, split: str = "train") -> list[Pair]:
        """Training pairs of one split.

        Raises:
            ValueError: There is none of that id, or it is not `ready`.
        """
        status = self.get(dataset_id)["status"]
        if status != "ready":
            raise ValueError(f"data set {dataset_id}: expected it ready, got {status}")
        return [
            Pair(item.question, item.chunk_id, item.relevance)
            for item in self.items(dataset_id)
            if item.split == split
        ]

    def delete(self, dataset_id: str) -> None:
        """Forget a data set; pairs that were taken from it stay.

        Raises:
            ValueError: There is none of that id.
        """
        self._store.datasets.delete(dataset_id)

    def list(self) -> list[dict[str, Any]]:
        """All data sets, newest first."""
        return self._store.datasets.list()


def problems_of(items: Sequence[Item], known: set[str]) -> Iterator[dict[str, Any]]:
    """What keeps a data set from being relied on: `kind`, `count`, a `reason`, `examples`."""
    if not items:
        yield _problem("empty", [""], "there are no items")
        return
    blank = [i.chunk_id for i in items if not i.question.strip()]
    yield from _found("empty questions", blank, "items without a question")
    dangling = dict.fromkeys(i.chunk_id for i in items if i.chunk_id not in known)
    yield from _found("dangling ids", list(dangling), "chunk ids that the memory lacks")
    seen = Counter((_plain(i.question), i.chunk_id, i.split) for i in items)
    twice = [f"{question} -> {id_}" for (question, id_, _), n in seen.items() if n > 1]
    yield from _found("duplicates", twice, "the same question with the same chunk")
    splits: dict[str, set[str]] = {}
    for item in items:
        splits.setdefault(_plain(item.question), set()).add(item.split)
    leaks = [question for question, where in splits.items() if len(where) > 1 and question]
    yield from _found("leakage", leaks, "questions that are in more than one split")
    yield from _imbalance(items)


def _imbalance(items: Sequence[Item]) -> Iterator[dict[str, Any]]:
    positive = [i for i in items if i.relevance > 0]
    if not positive:
        yield _problem("imbalance", [], "no item is relevant")
        return
    questions = {_plain(i.question) for i in positive}
    (chunk, count), *_ = Counter(
        id_ for _, id_ in {(_plain(i.question), i.chunk_id) for i in positive}
    ).most_common(1)
    if len(questions) >= ENOUGH and count > MOST_OF_ALL * len(questions):
        yield _problem("imbalance", [chunk], f"one chunk answers {count} of {len(questions)}")


def _found(kind: str, examples: list[str], reason: str) -> Iterator[dict[str, Any]]:
    if examples:
        yield _problem(kind, examples, reason)


def _problem(kind: str, examples: list[str], reason: str) -> dict[str, Any]:
    return {"kind": kind, "count": len(examples), "reason": reason, "examples": examples[:NAMED]}


def _plain(question: str) -> str:
    return " ".join(question.casefold().split())
