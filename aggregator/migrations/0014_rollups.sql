-- Rollups anew, in place of click_windows and click_samples: what a report reads of a window lies together, in rows
-- that are read in small pieces. All of it is computed from the rows, so nothing is carried over.
DROP TABLE IF EXISTS click_samples;

DROP TABLE IF EXISTS click_windows;

-- The windows of `grain` seconds that are known. `changes` is the count of click_changes that a window was computed at;
-- the highest one counts. Where `detailed`, rollup_keys has its keys; a row here is written after those.
CREATE TABLE IF NOT EXISTS rollup_windows
(
    tenant LowCardinality(String),
    scope Enum8('link' = 1, 'domain' = 2, 'tenant' = 3),
    grain UInt32,
    subject UInt64,
    start DateTime('UTC'),
    changes UInt64,
    detailed Bool,
    clicks UInt64
)
ENGINE = ReplacingMergeTree(changes)
PARTITION BY (grain, toYYYYMM(start))
ORDER BY (tenant, scope, grain, subject, start)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

-- Of each key of a dimension: clicks, human ones, their visitors, and a sample of these. The sample of a key has the
-- visitors whose hash ends in `levels` zero bits; `sampled` says how many they are, `sample` has them, key by key.
-- The dimension 'total' has one key, ''. Days have a larger sample too, from which windows of four weeks are made.
CREATE TABLE IF NOT EXISTS rollup_keys
(
    tenant LowCardinality(String),
    scope Enum8('link' = 1, 'domain' = 2, 'tenant' = 3),
    subject UInt64,
    grain UInt32,
    start DateTime('UTC'),
    dimension LowCardinality(String),
    changes UInt64,
    previews UInt64,
    keys Array(String),
    clicks Array(UInt64),
    human Array(UInt64),
    visitors Array(UInt64),
    levels Array(UInt8),
    sampled Array(UInt32),
    sample Array(UInt64),
    deep_levels Array(UInt8),
    deep_samples Array(Array(UInt64))
)
ENGINE = ReplacingMergeTree(changes)
PARTITION BY (grain, toYYYYMM(start))
ORDER BY (tenant, scope, subject, grain, start, dimension)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1,
    index_granularity = 64;
