"""Tables of the store; `migrations` brings an older store up to date with them."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
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
    false,
)

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
    Column("style", String(32)),
    Column("preview", Text),  # first characters of the chunk when it was written
    Column("reason", Text),  # why it is set aside; never trained on then
    Column("text_hash", LargeBinary(32)),  # of the text that a generated question was made for
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
    Column("total_chunks", Integer, nullable=False, server_default="0"),
    Column("processed_chunks", Integer, nullable=False, server_default="0"),
    Column("quarantined_count", Integer, nullable=False, server_default="0"),
    Column("options", JSON),
    Column("metrics", JSON),
    Column("job_id", String(32)),
    Column("started_at", DateTime(timezone=True)),
    Column("lease_until", DateTime(timezone=True)),  # while someone works on it
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
    Column("strategy", String(32)),
    Column("seed", Integer),
    Column("options", JSON),
    Column("metrics", JSON),  # the reports of both products
    Column("data_hash", String(64)),
    Column("parent", String(32)),  # id of the model that served before
    Column("deleted_at", DateTime(timezone=True)),
    Column("promoted_at", DateTime(timezone=True)),  # the latest serves
    Column("by_hand", Boolean, nullable=False, server_default=false()),  # what was learned serves
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

# What became of each chunk of a generating run.
run_chunks = Table(
    "run_chunks",
    metadata,
    Column("run_id", String(32), ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    Column("chunk_row", Integer, ForeignKey("chunks.row", ondelete="CASCADE"), primary_key=True),
    Column("owner", String(128), nullable=False),
    Column("status", String(16), nullable=False),  # answered, failed
    Column("reason", Text),
    Column("text_hash", LargeBinary(32), nullable=False),  # of the text that was asked about
    Column("kept", Integer, nullable=False),
    Column("quarantined", Integer, nullable=False),
    Index("ix_run_chunks_chunk_row", "chunk_row"),
)

# What a language model answered, by hash of (chunk text, prompt, model).
answers = Table(
    "answers",
    metadata,
    Column("owner", String(128), primary_key=True),
    Column("key", LargeBinary(32), primary_key=True),
    Column("outcome", JSON, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
)

settings = Table(
    "settings",
    metadata,
    Column("owner", String(128), primary_key=True),
    Column("enabled", Boolean, nullable=False),
    Column("last_trained_at", DateTime(timezone=True)),
    Column("last_run_id", String(32)),
)

jobs = Table(
    "jobs",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("owner", String(128), nullable=False),
    Column("kind", String(32), nullable=False),
    Column("status", String(16), nullable=False),  # queued, training, ready, failed, cancelled
    Column("payload", JSON, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("max_attempts", Integer, nullable=False),
    Column("lease_until", DateTime(timezone=True)),
    Column("worker", String(128)),
    Column("cancel_requested", Boolean, nullable=False),
    Column("time_limit_s", Float),
    Column("progress", JSON),
    Column("result", JSON),
    Column("error", Text),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("started_at", DateTime(timezone=True)),
    Column("ended_at", DateTime(timezone=True)),
    Index("ix_jobs_owner_status", "owner", "status", "created_at"),
)

job_logs = Table(
    "job_logs",
    metadata,
    Column("job_id", String(32), ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("seq", Integer, primary_key=True),
    Column("owner", String(128), nullable=False),
    Column("time", DateTime(timezone=True), nullable=False),
    Column("level", String(16), nullable=False),
    Column("line", Text, nullable=False),
)

datasets = Table(
    "datasets",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("owner", String(128), nullable=False),
    Column("name", Text, nullable=False),
    Column("status", String(16), nullable=False),  # draft, processing, ready, error
    Column("problems", JSON),
    Column("counts", JSON),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("updated_at", DateTime(timezone=True), nullable=False),
    UniqueConstraint("owner", "name"),
)

dataset_items = Table(
    "dataset_items",
    metadata,
    Column("dataset_id", String(32), ForeignKey("datasets.id", ondelete="CASCADE"),
           primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("owner", String(128), nullable=False),
    Column("question", Text, nullable=False),
    Column("chunk_id", Text, nullable=False),
    Column("relevance", Float, nullable=False),
    Column("split", String(16), nullable=False),
)  # fmt: skip
