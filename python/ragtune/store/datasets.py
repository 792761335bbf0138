"""Data sets of questions with their answers, and whether they can be relied on."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from ragtune.store.database import Database, as_dict, now
from ragtune.store.schema import dataset_items, datasets


@dataclass(frozen=True, slots=True)
class Item:
    """A judged question of a data set, and the part of it that it belongs to."""

    question: str
    chunk_id: str
    relevance: float = 1.0
    split: str = "train"


class DatasetTable:
    """Data sets of one owner."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, name: str, items: Sequence[Item]) -> str:
        """Write a data set as a draft and return its id.

        Raises:
            ValueError: There is one of that name.
        """
        dataset_id, moment, owner = uuid.uuid4().hex, now(), self._database.owner
        named = select(datasets.c.id).where(self._database.own(datasets), datasets.c.name == name)
        with self._database.writing() as connection:
            if connection.execute(named).first() is not None:
                raise ValueError(f"name: expected a new one, got {name!r}, which there is")
            row = {"id": dataset_id, "owner": owner, "name": name, "status": "draft",
                   "created_at": moment, "updated_at": moment}  # fmt: skip
            connection.execute(insert(datasets).values(**row))
            rows = [
                {"dataset_id": dataset_id, "number": number, "owner": owner,
                 "question": item.question, "chunk_id": item.chunk_id,
                 "relevance": item.relevance, "split": item.split}
                for number, item in enumerate(items, start=1)
            ]  # fmt: skip
            if rows:
                connection.execute(insert(dataset_items), rows)
        return dataset_id

    def mark(self, dataset_id: str, status: str, **values: Any) -> None:
        """Write a data set's status, with its problems and counts."""
        mine = self._database.own(datasets), datasets.c.id == dataset_id
        with self._database.queueing() as connection:
            self._get(connection, dataset_id)
            connection.execute(
                update(datasets).where(*mine).values(status=status, updated_at=now(), **values)
            )

    def get(self, dataset_id: str) -> dict[str, Any]:
        """A data set without its items.

        Raises:
            ValueError: There is none of that id.
        """
        with self._database.reading() as connection:
            return self._get(connection, dataset_id)

    def _get(self, connection: Connection, dataset_id: str) -> dict[str, Any]:
        query = select(datasets).where(self._database.own(datasets), datasets.c.id == dataset_id)
        row: Mapping[Any, Any] | None = connection.execute(query).mappings().first()
        if row is None:
            raise ValueError(f"data set: expected the id of one, got {dataset_id!r}")
        return as_dict(row)  # type: ignore[arg-type]

    def items(self, dataset_id: str) -> list[Item]:
        """What a data set holds, in its order."""
        names = "question", "chunk_id", "relevance", "split"
        mine = self._database.own(dataset_items), dataset_items.c.dataset_id == dataset_id
        query = select(*(dataset_items.c[name] for name in names)).where(*mine)
        with self._database.reading() as connection:
            found = connection.execute(query.order_by(dataset_items.c.number))
            return [Item(*row) for row in found]

    def list(self) -> list[dict[str, Any]]:
        """All data sets, newest first."""
        query = select(datasets).where(self._database.own(datasets))
        with self._database.reading() as connection:
            found = connection.execute(query.order_by(datasets.c.created_at.desc())).mappings()
            return [as_dict(row) for row in found]

    def delete(self, dataset_id: str) -> None:
        """Forget a data set."""
        mine = self._database.own(datasets), datasets.c.id == dataset_id
        with self._database.queueing() as connection:
            self._get(connection, dataset_id)
            connection.execute(delete(datasets).where(*mine))
