-- Clicks counted ahead, by windows of `grain` seconds. `changes` is the count of click_changes that a window was
-- computed at; the highest one counts. A row of dimension '' makes a window known and is written last. Where
-- `detailed`, there is one more a dimension, and one of dimension 'total' with the key ''.
-- Of each key: clicks, human ones, their visitors, and the level of their sample: it has the visitors whose hash
-- ends in that many zero bits.
CREATE TABLE IF NOT EXISTS click_windows
(
    tenant LowCardinality(String),
    scope Enum8('link' = 1, 'domain' = 2, 'tenant' = 3),
    grain UInt32,
    dimension LowCardinality(String),
    subject UInt64,
    start DateTime('UTC'),
    changes UInt64,
    detailed Bool,
    clicks UInt64,
    previews UInt64,
    keys Array(LowCardinality(String)),
    key_clicks Array(UInt64),
    key_human Array(UInt64),
    key_visitors Array(UInt64),
    key_levels Array(UInt8)
)
ENGINE = ReplacingMergeTree(changes)
PARTITION BY (grain, toYYYYMM(start))
ORDER BY (tenant, scope, grain, dimension, subject, start)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

-- The sampled visitors' hashes of each window and dimension, each with its key and that one's level.
CREATE TABLE IF NOT EXISTS click_samples
(
    tenant LowCardinality(String),
    scope Enum8('link' = 1, 'domain' = 2, 'tenant' = 3),
    grain UInt32,
    dimension LowCardinality(String),
    subject UInt64,
    start DateTime('UTC'),
    changes UInt64,
    keys Array(LowCardinality(String)),
    levels Array(UInt8),
    visitors Array(UInt64)
)
ENGINE = ReplacingMergeTree(changes)
PARTITION BY (grain, toYYYYMM(start))
ORDER BY (tenant, scope, grain, dimension, subject, start)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;
