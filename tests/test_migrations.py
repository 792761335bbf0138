"""A store that an older version wrote is the store that a new one would make."""

import sqlite3
from datetime import datetime, timezone
from pathlib import Path

import pytest
import sqlalchemy as sa
from conftest import postgres_schema

from ragtune.store import Store
from ragtune.store.migrations import MIGRATIONS, NEW_COLUMNS
from ragtune.types import Pair

ADDED = ("run_chunks", "answers", "settings", "job_logs", "jobs", "dataset_items", "datasets",
         "sentences")  # fmt: skip
OLD = (Path(__file__).parent / "store_v2.sql").read_text()


@pytest.fixture(params=[1, 2])
def old(tmp_path, request):
    """A store as versions 1 and 2 made it, by the statements that they ran."""
    database = sqlite3.connect(tmp_path / "store.sqlite")
    database.executescript(OLD)
    if request.param == 1:
        database.execute("drop table saves")
        database.execute("update meta set value = 1 where key = 'schema_version'")
    database.commit()
    database.close()
    return tmp_path / "store.sqlite"


def described(path):
    """Columns and indexes of all tables."""
    url = path if isinstance(path, str) else f"sqlite:///{path}"
    engine = sa.create_engine(url)
    inspector = sa.inspect(engine)
    columns = {
        (table, c["name"], str(c["type"]), c["nullable"], (c["default"] or "").strip("'"))
        for table in inspector.get_table_names()
        for c in inspector.get_columns(table)
    }
    keys = {
        (table, tuple(inspector.get_pk_constraint(table)["constrained_columns"]))
        for table in inspector.get_table_names()
    }
    indexes = {
        (table, index["name"], tuple(index["column_names"]))
        for table in inspector.get_table_names()
        for index in inspector.get_indexes(table)
    }
    engine.dispose()
    return columns, keys, indexes


def test_it_has_the_tables_of_a_new_one(old, tmp_path):
    Store.in_file(old).close()
    Store.in_file(tmp_path / "new.sqlite").close()
    for mine, new in zip(described(old), described(tmp_path / "new.sqlite"), strict=True):
        assert mine == new


def test_what_was_in_it_is_there(old):
    for _ in range(2):
        store = Store.in_file(old)
        assert [chunk.text for chunk in store.chunks.get(["a", "b"])] == [
            "the cat sat",
            "a dog ran",
        ]
        (pair,) = store.pairs.living()
        assert (pair.question, pair.chunk_row) == ("which cat?", 1)
        (run,) = store.runs.list()
        assert (run["total_chunks"], run["options"]) == (0, None)
        (model,) = store.models.promoted()
        assert model["promoted_at"] == datetime(2026, 1, 2, 3, 4, 6, tzinfo=timezone.utc)
        assert not model["by_hand"]
        store.close()


def test_it_can_be_written_to(old):
    store = Store.in_file(old)
    store.pairs.add([Pair("which dog?", "b", source="generated", style="plain")])
    assert len(store.pairs.living()) == 2
    run_id = store.runs.start(2, {"model": "m"})
    assert store.runs.get(run_id)["status"] == "generating"
    assert not store.settings.get().enabled
    store.close()


def test_the_step_runs_on_postgresql_too():
    with postgres_schema() as url:
        Store(url).close()
        new = described(url)
        engine = sa.create_engine(url)
        with engine.begin() as connection:  # back to what version 2 had
            for table in ADDED:
                connection.exec_driver_sql(f"DROP TABLE {table} CASCADE")
            for table, columns in NEW_COLUMNS.items():
                for column in columns:
                    connection.exec_driver_sql(f"ALTER TABLE {table} DROP COLUMN {column}")
            connection.exec_driver_sql("UPDATE meta SET value = 2 WHERE key = 'schema_version'")
        engine.dispose()
        assert described(url) != new
        Store(url).close()
        for mine, expected in zip(described(url), new, strict=True):
            assert mine == expected


def test_every_step_has_a_store_that_it_was_tried_on():
    assert len(MIGRATIONS) == 3
