-- Rows are never changed after they are stored but by erasure and reclassification. Inserts reach the disk before
-- they are acknowledged, because the spool they came from is deleted then (1.5 ms an insert).
-- One insert is one block of one month, so that it is stored as a whole or not at all.
CREATE TABLE IF NOT EXISTS clicks
(
    tenant LowCardinality(String),
    link UInt64,
    ts DateTime64(3, 'UTC'),
    code String,
    domain LowCardinality(String),
    personal Bool,
    source UInt64,
    seq UInt64,
    method LowCardinality(String),
    route LowCardinality(String),
    outcome LowCardinality(String),
    verdict LowCardinality(String),
    rule LowCardinality(String),
    rules_version UInt16,
    visitor UInt64,
    ip String,
    user_agent String,
    referer String,
    referrer LowCardinality(String),
    language LowCardinality(String),
    signals String,
    country LowCardinality(String),
    region LowCardinality(String),
    city LowCardinality(String),
    latitude Float32,
    longitude Float32,
    browser LowCardinality(String),
    browser_version LowCardinality(String),
    os LowCardinality(String),
    os_version LowCardinality(String),
    device_brand LowCardinality(String),
    device LowCardinality(String),
    platform LowCardinality(String),
    ingested_at DateTime64(3, 'UTC')
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(ts)
ORDER BY (tenant, link, ts, source, seq)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

-- Quarter hours, because that is the finest step between the world's time zones: any zone's day is a sum of them.
CREATE TABLE IF NOT EXISTS clicks_15m
(
    tenant LowCardinality(String),
    link UInt64,
    start DateTime('UTC'),
    verdict LowCardinality(String),
    clicks SimpleAggregateFunction(sum, UInt64)
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(start)
ORDER BY (tenant, link, start, verdict)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS clicks_15m_view TO clicks_15m AS
SELECT tenant, link, toDateTime(toStartOfFifteenMinutes(ts), 'UTC') AS start, verdict, count() AS clicks
FROM clicks
GROUP BY tenant, link, start, verdict;

-- The stored side of the ledger: of each spool, how many clicks, and the highest number seen.
CREATE TABLE IF NOT EXISTS click_sources
(
    source UInt64,
    last_seq SimpleAggregateFunction(max, UInt64),
    last_ts SimpleAggregateFunction(max, DateTime64(3, 'UTC')),
    clicks SimpleAggregateFunction(sum, UInt64)
)
ENGINE = AggregatingMergeTree
ORDER BY source
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS click_sources_view TO click_sources AS
SELECT source, max(seq) AS last_seq, max(ts) AS last_ts, count() AS clicks
FROM clicks
GROUP BY source;

-- Which clicks of each spool were erased or have expired, so that the ledger balances after them. A run of
-- numbers takes next to nothing; of the click itself nothing is left.
CREATE TABLE IF NOT EXISTS removed_clicks
(
    source UInt64 CODEC(Delta, ZSTD),
    seq UInt64 CODEC(DoubleDelta, ZSTD),
    removed_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD)
)
ENGINE = ReplacingMergeTree
ORDER BY (source, seq)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;
