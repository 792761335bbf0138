"""Training pairs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, func, insert, or_, select, update

from ragtune.store.database import Database, as_dict, now, rows_in
from ragtune.store.schema import chunks, pairs, runs
from ragtune.types import Pair

EXTRACTIVE = "extractive"
MADE = ("generated", EXTRACTIVE)  # sources that are no person's: written for the text of a chunk
PREVIEW = 200  # characters of a chunk that are kept beside its question


@dataclass(frozen=True, slots=True)
class StoredPair:
    """A pair whose chunk is alive."""

    question: str
    chunk_row: int
    relevance: float
    source: str = "imported"


@dataclass(frozen=True, slots=True)
class PairCounts:
    """Pairs of a run: kept ones, those set aside by reason, and kept ones by chunk id."""

    kept: int
    quarantined: dict[str, int]
    per_chunk: dict[str, int]


@dataclass(frozen=True, slots=True)
class _Known:
    pair: int
    source: str
    text_hash: bytes | None
    reason: str | None
    run_status: str | None

    def stays(self, values: dict[str, Any]) -> bool:
        """Whether a generated pair must not take its place: a person's, or the same again."""
        if values["source"] not in MADE:
            return False
        same = self.text_hash == values["text_hash"] and self.reason is None
        lost = self.run_status in ("failed", "cancelled")  # else nobody would train on it
        return self.source not in MADE or (same and not lost)


class PairTable:
    """Pairs of one owner."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, new: Sequence[Pair], run_id: str | None = None) -> int:
        """Write all pairs or none; a known (question, chunk) takes the new values.

        Only what a person gave is not replaced by what was generated.

        Raises:
            ValueError: A chunk id is unknown or deleted.
        """
        with self._database.writing() as connection:
            ids = list(dict.fromkeys(pair.chunk_id for pair in new))
            chunk_of = self._chunks(connection, ids)
            for number, pair in enumerate(new):
                if pair.chunk_id not in chunk_of:
                    raise ValueError(
                        f"pairs[{number}]: expected the id of a chunk, got {pair.chunk_id!r}"
                    )
            return write_pairs(
                connection,
                self._database,
                [values_of(pair, *chunk_of[pair.chunk_id], run_id) for pair in new],
            )

    def _chunks(
        self, connection: Connection, ids: Sequence[str]
    ) -> dict[str, tuple[int, bytes, str]]:
        query = select(chunks.c.id, chunks.c.row, chunks.c.text_hash, chunks.c.text).where(
            self._database.own(chunks), chunks.c.deleted_at.is_(None)
        )
        found = rows_in(connection, query, chunks.c.id, ids)
        return {id_: (row, hash_, text) for id_, row, hash_, text in found}

    def living(self, run_id: str | None = None) -> list[StoredPair]:
        """Pairs to train on, oldest first.

        Their chunk is alive and, if they were generated, still says what they were made for;
        none is set aside; they are of no run, of a completed one, or of `run_id`.
        """
        completed = select(runs.c.id).where(
            self._database.own(runs), or_(runs.c.status == "completed", runs.c.id == run_id)
        )
        query = (
            select(pairs.c.question, pairs.c.chunk_row, pairs.c.relevance, pairs.c.source)
            .join(chunks, chunks.c.row == pairs.c.chunk_row)
            .where(
                self._database.own(pairs),
                self._database.own(chunks),
                chunks.c.deleted_at.is_(None),
                pairs.c.reason.is_(None),
                or_(pairs.c.text_hash.is_(None), pairs.c.text_hash == chunks.c.text_hash),
                or_(pairs.c.run_id.is_(None), pairs.c.run_id.in_(completed)),
            )
            .order_by(pairs.c.pair)
        )
        with self._database.reading() as connection:
            return [StoredPair(*row) for row in connection.execute(query)]

    def asked(self, run_id: str) -> list[str]:
        """Questions of a run that were kept, or set aside only as not finding their chunk."""
        told = or_(pairs.c.reason.is_(None), pairs.c.reason == "not found")
        query = select(pairs.c.question).where(
            self._database.own(pairs), pairs.c.run_id == run_id, told
        )
        with self._database.reading() as connection:
            return list(connection.execute(query).scalars())

    def sample(self, run_id: str, count: int = 10) -> list[dict[str, Any]]:
        """Pairs of a run, spread evenly over it."""
        mine = self._database.own(pairs), pairs.c.run_id == run_id
        numbers = select(pairs.c.pair).where(*mine).order_by(pairs.c.pair)
        names = "question", "relevance", "source", "style", "preview", "reason"
        with self._database.reading() as connection:
            known = list(connection.execute(numbers).scalars())
            count = min(count, len(known))
            chosen = [known[i * len(known) // count] for i in range(count)]
            query = (
                select(*(pairs.c[name] for name in names), chunks.c.id.label("chunk_id"))
                .join(chunks, chunks.c.row == pairs.c.chunk_row)
                .where(self._database.own(pairs), pairs.c.pair.in_(chosen))
                .order_by(pairs.c.pair)
            )
            return [as_dict(row) for row in connection.execute(query).mappings()]

    def counts(self, run_id: str) -> PairCounts:
        """How many pairs of a run were kept, and why others were not."""
        mine = self._database.own(pairs), pairs.c.run_id == run_id
        kept, aside = pairs.c.reason.is_(None), pairs.c.reason.is_not(None)
        by_reason = select(pairs.c.reason, func.count()).where(*mine, aside)
        by_chunk = (
            select(chunks.c.id, func.count())
            .join(pairs, chunks.c.row == pairs.c.chunk_row)
            .where(*mine, kept)
            .group_by(chunks.c.row, chunks.c.id)
            .order_by(chunks.c.row)
        )
        with self._database.reading() as connection:
            reasons = connection.execute(by_reason.group_by(pairs.c.reason)).all()
            per_chunk = {id_: count for id_, count in connection.execute(by_chunk)}
        quarantined = {reason: count for reason, count in reasons}
        return PairCounts(sum(per_chunk.values()), quarantined, per_chunk)


def values_of(
    pair: Pair, row: int, text_hash: bytes, text: str, run_id: str | None
) -> dict[str, Any]:
    """The columns of a pair about a chunk."""
    made = pair.source in MADE
    return {
        "question": pair.question,
        "chunk_row": row,
        "relevance": pair.relevance,
        "source": pair.source,
        "style": pair.style,
        "reason": pair.reason,
        "run_id": run_id,
        "text_hash": text_hash if made else None,
        "preview": text[:PREVIEW] if made else None,
    }


def write_pairs(connection: Connection, database: Database, new: Sequence[dict[str, Any]]) -> int:
    """Write pairs within a transaction; returns how many (question, chunk) are new."""
    latest = {(values["question"], values["chunk_row"]): values for values in new}
    known = _known_pairs(connection, database, sorted({row for _, row in latest}))
    moment = now()
    fresh = [
        values | {"owner": database.owner, "created_at": moment}
        for key, values in latest.items()
        if key not in known
    ]
    changed = [
        values | {"known_pair": known[key].pair}
        for key, values in latest.items()
        if key in known and not known[key].stays(values)
    ]
    if fresh:
        connection.execute(insert(pairs), fresh)
    if changed:
        statement = update(pairs).where(pairs.c.pair == sa.bindparam("known_pair"))
        connection.execute(statement, changed)
    return len(fresh)


def _known_pairs(
    connection: Connection, database: Database, rows: Sequence[int]
) -> dict[tuple[str, int], _Known]:
    names = "question", "chunk_row", "pair", "source", "text_hash", "reason"
    query = (
        select(*(pairs.c[name] for name in names), runs.c.status)
        .outerjoin(runs, runs.c.id == pairs.c.run_id)
        .where(database.own(pairs))
    )
    found = rows_in(connection, query, pairs.c.chunk_row, rows)
    return {(question, row): _Known(*rest) for question, row, *rest in found}


def data_hash(found: Sequence[StoredPair]) -> str:
    """SHA-256 of the training pairs, so that a run can be told from another."""
    lines = sorted(json.dumps([p.question, p.chunk_row, p.relevance]) for p in found)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
