-- The newest version of a tenant counts; none is ever deleted, for its rows bear its name.
CREATE TABLE IF NOT EXISTS tenants
(
    id String,
    document String,
    version UInt64
)
ENGINE = ReplacingMergeTree(version)
ORDER BY id
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;
