-- Of each key of a dimension on a day: how many of its visitors had been there in one of the 1, 2, ... 31 days before.
-- With them the visitors of days add up to those of any range of these days, exactly. `start` is the first of the 32
-- days that were looked at; its row in rollup_windows has a grain of as many.
CREATE TABLE IF NOT EXISTS rollup_returns
(
    tenant LowCardinality(String),
    scope Enum8('link' = 1, 'domain' = 2, 'tenant' = 3),
    subject UInt64,
    start DateTime('UTC'),
    dimension LowCardinality(String),
    changes UInt64,
    keys Array(String),
    returned Array(Array(UInt32)) CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree(changes)
PARTITION BY toYYYYMM(start)
ORDER BY (tenant, scope, subject, start, dimension)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1,
    index_granularity = 64;

-- Windows of four weeks, and the samples of days that they were made from, serve nobody any more.
DELETE FROM rollup_keys WHERE grain = 2419200;

DELETE FROM rollup_windows WHERE grain = 2419200;

ALTER TABLE rollup_keys DROP COLUMN IF EXISTS deep_levels;

ALTER TABLE rollup_keys DROP COLUMN IF EXISTS deep_samples;
