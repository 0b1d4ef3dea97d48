-- The newest version of a webhook counts; a deleted one stays, so that its id is never given again.
CREATE TABLE IF NOT EXISTS webhooks
(
    tenant LowCardinality(String),
    id String,
    document String,
    version UInt64,
    deleted Bool
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (tenant, id)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

-- What is to be told, where and to whom; kept for 30 days, so that it can be sent again by hand. `recipient` is
-- whom the body speaks of, for the day on which that person is to be forgotten.
CREATE TABLE IF NOT EXISTS deliveries
(
    tenant LowCardinality(String),
    webhook String,
    id String,
    event LowCardinality(String),
    url String,
    body String,
    recipient String,
    created_at DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(created_at)
ORDER BY (tenant, webhook, id)
TTL toDateTime(created_at) + INTERVAL 30 DAY
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

-- Where each delivery stands: `pending` until `due_at`, `delivered`, or `given_up`. The highest version counts;
-- `created_at` is the delivery's, so that both lie in partitions of one month.
CREATE TABLE IF NOT EXISTS delivery_states
(
    tenant LowCardinality(String),
    webhook String,
    id String,
    url String,
    state LowCardinality(String),
    attempts UInt16,
    due_at DateTime64(3, 'UTC'),
    status UInt16,
    detail String,
    attempted_at Nullable(DateTime64(3, 'UTC')),
    created_at DateTime64(3, 'UTC'),
    version UInt64
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(created_at)
ORDER BY (tenant, webhook, id)
TTL toDateTime(created_at) + INTERVAL 30 DAY
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

-- How far the clicks of each spool have been looked at: number and time of the last one.
CREATE TABLE IF NOT EXISTS webhook_cursors
(
    source UInt64,
    seq UInt64,
    ts DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(seq)
ORDER BY source
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

-- Every version of every link with the moment it was stored. A deleted link's row has its number only.
CREATE TABLE IF NOT EXISTS link_changes
(
    tenant LowCardinality(String),
    number UInt64,
    version UInt64,
    id String,
    name String,
    domain LowCardinality(String),
    suffix String,
    code String,
    destination_url String,
    campaign Nullable(String),
    external_id Nullable(String),
    updated_at DateTime64(3, 'UTC'),
    deleted Bool,
    stored_at DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree
ORDER BY (tenant, number, version)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS link_changes_view TO link_changes AS
SELECT
    tenant, number, version, id, name, domain, suffix, code, destination_url, campaign, external_id, updated_at,
    deleted, now64(3, 'UTC') AS stored_at
FROM links;

-- Of links that were there before: their deletion is told by id, their past is not told.
INSERT INTO link_changes
SELECT
    tenant, number, version, id, name, domain, suffix, code, destination_url, campaign, external_id, updated_at,
    deleted, toDateTime64(0, 3, 'UTC')
FROM links;
