CREATE TABLE meta (
  "key" VARCHAR(64) NOT NULL,
  value INTEGER NOT NULL,
  PRIMARY KEY ("key")
);
CREATE TABLE spaces (
  owner VARCHAR(128) NOT NULL,
  fingerprint BLOB NOT NULL,
  PRIMARY KEY (owner)
);
CREATE TABLE chunks (
  "row" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
  owner VARCHAR(128) NOT NULL,
  id TEXT NOT NULL,
  text TEXT NOT NULL,
  text_hash BLOB NOT NULL,
  metadata JSON NOT NULL,
  source TEXT NOT NULL,
  embedding BLOB NOT NULL,
  change INTEGER NOT NULL,
  created_at DATETIME NOT NULL,
  updated_at DATETIME NOT NULL,
  deleted_at DATETIME,
  UNIQUE (owner, id)
);
CREATE INDEX ix_chunks_change ON chunks (change);
CREATE TABLE embeddings (
  owner VARCHAR(128) NOT NULL,
  "key" BLOB NOT NULL,
  embedding BLOB NOT NULL,
  PRIMARY KEY (owner, "key")
);
CREATE TABLE runs (
  id VARCHAR(32) NOT NULL,
  owner VARCHAR(128) NOT NULL,
  status VARCHAR(16) NOT NULL,
  strategy VARCHAR(32) NOT NULL,
  seed INTEGER NOT NULL,
  hyperparameters JSON NOT NULL,
  data_hash VARCHAR(64),
  pair_count INTEGER NOT NULL,
  report JSON,
  error TEXT,
  created_at DATETIME NOT NULL,
  completed_at DATETIME,
  PRIMARY KEY (id)
);
CREATE INDEX ix_runs_owner_created ON runs (owner, created_at);
CREATE TABLE saves (
  save INTEGER NOT NULL,
  owner VARCHAR(128) NOT NULL,
  token BIGINT NOT NULL,
  change INTEGER NOT NULL,
  generation INTEGER NOT NULL,
  PRIMARY KEY (save),
  UNIQUE (owner, token)
);
CREATE TABLE pairs (
  pair INTEGER NOT NULL,
  owner VARCHAR(128) NOT NULL,
  question TEXT NOT NULL,
  chunk_row INTEGER NOT NULL,
  relevance FLOAT NOT NULL,
  source VARCHAR(32) NOT NULL,
  run_id VARCHAR(32),
  created_at DATETIME NOT NULL,
  PRIMARY KEY (pair),
  UNIQUE (owner, question, chunk_row),
  FOREIGN KEY(chunk_row) REFERENCES chunks ("row") ON DELETE CASCADE
);
CREATE INDEX ix_pairs_chunk_row ON pairs (chunk_row);
CREATE TABLE models (
  id VARCHAR(32) NOT NULL,
  owner VARCHAR(128) NOT NULL,
  run_id VARCHAR(32) NOT NULL,
  version INTEGER NOT NULL,
  file TEXT NOT NULL,
  sha256 VARCHAR(64) NOT NULL,
  verdict VARCHAR(16) NOT NULL,
  promoted BOOLEAN NOT NULL,
  created_at DATETIME NOT NULL,
  PRIMARY KEY (id),
  UNIQUE (owner, version),
  FOREIGN KEY(run_id) REFERENCES runs (id) ON DELETE CASCADE
);
INSERT INTO meta VALUES ('change', 3), ('generation', 0), ('schema_version', 2);
INSERT INTO chunks VALUES
  (1, 'default', 'a', 'the cat sat', X'2A0F1C9F62E7A3A1F0A2C1D3E4F5061728394A5B6C7D8E9F00112233445566FF', '{"page": 1}', 'a', X'0000803F00000000', 1, '2026-01-02 03:04:05.000000', '2026-01-02 03:04:05.000000', NULL),
  (2, 'default', 'b', 'a dog ran', X'00', '{}', 'b', X'000000000000803F', 2, '2026-01-02 03:04:05.000000', '2026-01-02 03:04:05.000000', NULL);
INSERT INTO pairs VALUES (1, 'default', 'which cat?', 1, 1.0, 'imported', NULL, '2026-01-02 03:04:05.000000');
INSERT INTO runs VALUES ('r1', 'default', 'completed', 'auto', 0, '{}', 'h', 1, NULL, NULL, '2026-01-02 03:04:05.000000', '2026-01-02 03:04:06.000000');
INSERT INTO models VALUES ('m1', 'default', 'r1', 1, 'm1.ragtune', 'x', 'promote', 1, '2026-01-02 03:04:06.000000');
