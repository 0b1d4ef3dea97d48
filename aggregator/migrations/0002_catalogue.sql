-- The newest version of a link counts; a deleted link leaves its number, and its domain and code, which are
-- never given to another link.
CREATE TABLE IF NOT EXISTS links
(
    tenant LowCardinality(String),
    number UInt64,
    id String,
    name String,
    domain LowCardinality(String),
    suffix String,
    code String,
    destination_url String,
    ios_url Nullable(String),
    android_url Nullable(String),
    expires_at Nullable(DateTime64(3, 'UTC')),
    expired_url Nullable(String),
    campaign LowCardinality(Nullable(String)),
    tags Array(LowCardinality(String)),
    external_id Nullable(String),
    forward_query Bool,
    enabled Bool,
    created_at DateTime64(3, 'UTC'),
    updated_at DateTime64(3, 'UTC'),
    version UInt64,
    deleted Bool,
    INDEX id id TYPE bloom_filter GRANULARITY 1
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (tenant, number)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS codes
(
    tenant LowCardinality(String),
    link UInt64,
    recipient String,
    reference String,
    code String,
    minted_at DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree
ORDER BY (tenant, link, recipient, reference, code)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS sent_15m
(
    tenant LowCardinality(String),
    link UInt64,
    start DateTime('UTC'),
    sent SimpleAggregateFunction(sum, UInt64)
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(start)
ORDER BY (tenant, link, start)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS sent_15m_view TO sent_15m AS
SELECT tenant, link, toDateTime(toStartOfFifteenMinutes(minted_at), 'UTC') AS start, count() AS sent
FROM codes
GROUP BY tenant, link, start;

-- Links whose clicks are to be gone. Swept again for 48 hours, since a click may still be on its way.
CREATE TABLE IF NOT EXISTS erasures
(
    tenant LowCardinality(String),
    link UInt64,
    asked_at DateTime64(3, 'UTC')
)
ENGINE = MergeTree
ORDER BY (tenant, link, asked_at)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;
