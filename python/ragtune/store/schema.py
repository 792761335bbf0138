"""Tables of the store, and the steps that bring an older store up to date."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Connection,
    DateTime,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    insert,
    inspect,
    select,
    update,
)

from ragtune.types import StoreVersionError

metadata = MetaData()

# One row per fact about the store: schema_version, change, generation.
meta = Table(
    "meta",
    metadata,
    Column("key", String(64), primary_key=True),
    Column("value", Integer, nullable=False),
)

# The embedding space of each owner's vectors.
spaces = Table(
    "spaces",
    metadata,
    Column("owner", String(128), primary_key=True),
    Column("fingerprint", LargeBinary, nullable=False),
)

chunks = Table(
    "chunks",
    metadata,
    Column("row", Integer, primary_key=True, autoincrement=True),
    Column("owner", String(128), nullable=False),
    Column("id", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("text_hash", LargeBinary(32), nullable=False),
    Column("metadata", JSON, nullable=False),
    Column("source", Text, nullable=False),
    Column("embedding", LargeBinary, nullable=False),  # float32, (d,)
    Column("change", Integer, nullable=False, index=True),  # counter of the last change
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("updated_at", DateTime(timezone=True), nullable=False),
    Column("deleted_at", DateTime(timezone=True)),
    UniqueConstraint("owner", "id"),
    sqlite_autoincrement=True,  # a row number is never used again: the index knows chunks by it
)

# Vectors of questions, and of chunks whose `add` has not ended yet, by content.
embeddings = Table(
    "embeddings",
    metadata,
    Column("owner", String(128), primary_key=True),
    Column("key", LargeBinary(32), primary_key=True),
    Column("embedding", LargeBinary, nullable=False),
)

pairs = Table(
    "pairs",
    metadata,
    Column("pair", Integer, primary_key=True, autoincrement=True),
    Column("owner", String(128), nullable=False),
    Column("question", Text, nullable=False),
    Column("chunk_row", Integer, ForeignKey("chunks.row", ondelete="CASCADE"), nullable=False),
    Column("relevance", Float, nullable=False),
    Column("source", String(32), nullable=False),
    Column("run_id", String(32)),
    Column("created_at", DateTime(timezone=True), nullable=False),
    UniqueConstraint("owner", "question", "chunk_row"),
    Index("ix_pairs_chunk_row", "chunk_row"),
)

runs = Table(
    "runs",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("owner", String(128), nullable=False),
    Column("status", String(16), nullable=False),
    Column("strategy", String(32), nullable=False),
    Column("seed", Integer, nullable=False),
    Column("hyperparameters", JSON, nullable=False),
    Column("data_hash", String(64)),
    Column("pair_count", Integer, nullable=False),
    Column("report", JSON),
    Column("error", Text),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("completed_at", DateTime(timezone=True)),
    Index("ix_runs_owner_created", "owner", "created_at"),
)

models = Table(
    "models",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("owner", String(128), nullable=False),
    Column("run_id", String(32), ForeignKey("runs.id", ondelete="CASCADE"), nullable=False),
    Column("version", Integer, nullable=False),
    Column("file", Text, nullable=False),  # name below the memory's models/
    Column("sha256", String(64), nullable=False),
    Column("verdict", String(16), nullable=False),
    Column("promoted", Boolean, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    UniqueConstraint("owner", "version"),
)

# Files of the index that were saved, and the state of the store that each is of.
saves = Table(
    "saves",
    metadata,
    Column("save", Integer, primary_key=True, autoincrement=True),
    Column("owner", String(128), nullable=False),
    Column("token", BigInteger, nullable=False),
    Column("change", Integer, nullable=False),
    Column("generation", Integer, nullable=False),
    UniqueConstraint("owner", "token"),
)


def _create_all(connection: Connection) -> None:
    metadata.create_all(connection)
    connection.execute(
        insert(meta), [{"key": "change", "value": 0}, {"key": "generation", "value": 0}]
    )


def _add_saves(connection: Connection) -> None:
    saves.create(connection, checkfirst=True)  # a new store has it from the first step


# Step i brings a store from version i to i + 1. Steps are added, never changed; a step that
# alters tables spells out its own statements, because `metadata` moves on.
MIGRATIONS: list[Callable[[Connection], None]] = [_create_all, _add_saves]


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
    for step in MIGRATIONS[version:]:
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
