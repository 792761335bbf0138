"""What a language model answered, so that nothing is asked and paid for twice."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import delete, insert, select

from ragtune.store.database import Database, now, parts, rows_in
from ragtune.store.schema import answers


class AnswerTable:
    """Answers of one owner, by hash of (chunk text, prompt, model)."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, keys: Iterable[bytes]) -> dict[bytes, dict[str, Any]]:
        """Answers that are known."""
        query = select(answers.c.key, answers.c.outcome).where(self._database.own(answers))
        with self._database.reading() as connection:
            return {key: told for key, told in rows_in(connection, query, answers.c.key, keys)}

    def put(self, outcomes: Mapping[bytes, Mapping[str, Any]]) -> None:
        """Keep answers, all or none; a newer one takes the place of an older."""
        owner, moment = self._database.owner, now()
        rows = [
            {"owner": owner, "key": key, "outcome": dict(outcome), "created_at": moment}
            for key, outcome in outcomes.items()
        ]
        with self._database.writing() as connection:
            for part in parts(list(outcomes)):
                mine = self._database.own(answers), answers.c.key.in_(part)
                connection.execute(delete(answers).where(*mine))
            if rows:
                connection.execute(insert(answers), rows)
