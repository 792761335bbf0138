"""The steps that bring an older store up to date.

Step i brings a store from version i to i + 1. Steps are added, never changed. A step spells out
its own statements, because the tables of `schema` move on; a new store is made of those at once.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Connection, insert, inspect, select, update

from ragtune.store.schema import meta, metadata, saves
from ragtune.types import StoreVersionError

# Names of types that databases do not share.
TYPES = {
    "sqlite": {"bytes": "BLOB", "time": "DATETIME", "number": "FLOAT", "false": "0"},
    "postgresql": {
        "bytes": "BYTEA",
        "time": "TIMESTAMP WITH TIME ZONE",
        "number": "FLOAT",
        "false": "false",
    },
}

COUNT = "INTEGER DEFAULT '0' NOT NULL"
NEW_COLUMNS = {
    "pairs": {"style": "VARCHAR(32)", "preview": "TEXT", "reason": "TEXT", "text_hash": "{bytes}"},
    "runs": {
        "total_chunks": COUNT, "processed_chunks": COUNT, "quarantined_count": COUNT,
        "options": "JSON", "metrics": "JSON", "job_id": "VARCHAR(32)", "started_at": "{time}",
        "lease_until": "{time}",
    },
    "models": {
        "strategy": "VARCHAR(32)", "seed": "INTEGER", "options": "JSON", "metrics": "JSON",
        "data_hash": "VARCHAR(64)", "parent": "VARCHAR(32)", "deleted_at": "{time}",
        "promoted_at": "{time}", "by_hand": "BOOLEAN DEFAULT {false} NOT NULL",
    },
}  # fmt: skip

RUNS_AND_JOBS = """
CREATE TABLE run_chunks (
  run_id VARCHAR(32) NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
  chunk_row INTEGER NOT NULL REFERENCES chunks ("row") ON DELETE CASCADE,
  owner VARCHAR(128) NOT NULL, status VARCHAR(16) NOT NULL, reason TEXT,
  text_hash {bytes} NOT NULL, kept INTEGER NOT NULL, quarantined INTEGER NOT NULL,
  PRIMARY KEY (run_id, chunk_row));
CREATE INDEX ix_run_chunks_chunk_row ON run_chunks (chunk_row);
CREATE TABLE answers (
  owner VARCHAR(128) NOT NULL, "key" {bytes} NOT NULL, outcome JSON NOT NULL,
  created_at {time} NOT NULL, PRIMARY KEY (owner, "key"));
CREATE TABLE settings (
  owner VARCHAR(128) NOT NULL, enabled BOOLEAN NOT NULL, last_trained_at {time},
  last_run_id VARCHAR(32), PRIMARY KEY (owner));
CREATE TABLE jobs (
  id VARCHAR(32) NOT NULL, owner VARCHAR(128) NOT NULL, kind VARCHAR(32) NOT NULL,
  status VARCHAR(16) NOT NULL, payload JSON NOT NULL, attempts INTEGER NOT NULL,
  max_attempts INTEGER NOT NULL, lease_until {time}, worker VARCHAR(128),
  cancel_requested BOOLEAN NOT NULL, time_limit_s {number}, progress JSON, result JSON,
  error TEXT, created_at {time} NOT NULL, started_at {time}, ended_at {time}, PRIMARY KEY (id));
CREATE INDEX ix_jobs_owner_status ON jobs (owner, status, created_at);
CREATE TABLE job_logs (
  job_id VARCHAR(32) NOT NULL REFERENCES jobs (id) ON DELETE CASCADE, seq INTEGER NOT NULL,
  owner VARCHAR(128) NOT NULL, time {time} NOT NULL, level VARCHAR(16) NOT NULL,
  line TEXT NOT NULL, PRIMARY KEY (job_id, seq));
CREATE TABLE datasets (
  id VARCHAR(32) NOT NULL, owner VARCHAR(128) NOT NULL, name TEXT NOT NULL,
  status VARCHAR(16) NOT NULL, problems JSON, counts JSON, created_at {time} NOT NULL,
  updated_at {time} NOT NULL, PRIMARY KEY (id), UNIQUE (owner, name));
CREATE TABLE dataset_items (
  dataset_id VARCHAR(32) NOT NULL REFERENCES datasets (id) ON DELETE CASCADE,
  number INTEGER NOT NULL, owner VARCHAR(128) NOT NULL, question TEXT NOT NULL,
  chunk_id TEXT NOT NULL, relevance {number} NOT NULL, split VARCHAR(16) NOT NULL,
  PRIMARY KEY (dataset_id, number))"""


def _create_all(connection: Connection) -> None:
    metadata.create_all(connection)
    connection.execute(
        insert(meta), [{"key": "change", "value": 0}, {"key": "generation", "value": 0}]
    )


def _add_saves(connection: Connection) -> None:
    saves.create(connection, checkfirst=True)


def _add_runs_and_jobs(connection: Connection) -> None:
    types = TYPES[connection.dialect.name]
    for table, columns in NEW_COLUMNS.items():
        for name, kind in columns.items():
            connection.exec_driver_sql(
                f"ALTER TABLE {table} ADD COLUMN {name} {kind.format(**types)}"
            )
    for statement in RUNS_AND_JOBS.format(**types).split(";"):
        connection.exec_driver_sql(statement)
    # What was promoted so far serves in the order of its versions.
    connection.exec_driver_sql("UPDATE models SET promoted_at = created_at WHERE promoted")


MIGRATIONS: list[Callable[[Connection], None]] = [_create_all, _add_saves, _add_runs_and_jobs]


def migrate(connection: Connection) -> None:
    """Bring the store up to the version of this program, within the caller's transaction.

    Raises:
        StoreVersionError: The store is newer than this program.
    """
    version = _version(connection)
    if version > len(MIGRATIONS):
        raise StoreVersionError(
            f"store: expected schema version {len(MIGRATIONS)} or older, got {version}; "
            "upgrade ragtune"
        )
    for step in MIGRATIONS[version:] if version else MIGRATIONS[:1]:
        step(connection)
    if version == 0:
        connection.execute(insert(meta).values(key="schema_version", value=len(MIGRATIONS)))
    elif version < len(MIGRATIONS):
        key = meta.c.key == "schema_version"
        connection.execute(update(meta).where(key).values(value=len(MIGRATIONS)))


def _version(connection: Connection) -> int:
    if not inspect(connection).has_table("meta"):
        return 0
    query = select(meta.c.value).where(meta.c.key == "schema_version")
    return int(connection.execute(query).scalar_one())
