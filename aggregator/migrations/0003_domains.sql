-- The newest version of a domain counts. A deleted one stays, and keeps the tag of its codes.
CREATE TABLE IF NOT EXISTS domains
(
    host String,
    tenant LowCardinality(String),
    document String,
    version UInt64
)
ENGINE = ReplacingMergeTree(version)
ORDER BY host
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;
