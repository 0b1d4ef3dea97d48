-- The newest version of a service key counts; a revoked one stays, under a version beyond all others. Only
-- hashes of keys are here.
CREATE TABLE IF NOT EXISTS service_keys
(
    id String,
    tenant LowCardinality(String),
    document String,
    version UInt64
)
ENGINE = ReplacingMergeTree(version)
ORDER BY id
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS service_key_uses
(
    id String,
    used_at SimpleAggregateFunction(max, DateTime64(3, 'UTC'))
)
ENGINE = AggregatingMergeTree
ORDER BY id
SETTINGS non_replicated_deduplication_window = 1000;

-- Who changed what: rows are added and never changed.
CREATE TABLE IF NOT EXISTS audit_log
(
    tenant LowCardinality(String),
    at DateTime64(3, 'UTC'),
    id String,
    actor_kind LowCardinality(String),
    actor String,
    address String,
    method LowCardinality(String),
    route LowCardinality(String),
    path String,
    status UInt16,
    request_id String,
    change_count UInt32,
    changes String
)
ENGINE = MergeTree
ORDER BY (tenant, at, id)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;
