-- SMS messages as they were accepted; what became of each stands in message_statuses. `owner` names the
-- dispatcher that hands a message over; it is empty where there was no gateway to hand it to.
-- One insert is one block of one month, so that it is stored as a whole or not at all.
CREATE TABLE IF NOT EXISTS messages
(
    tenant LowCardinality(String),
    id String,
    owner LowCardinality(String),
    sender LowCardinality(String),
    recipient String,
    correlation_id String,
    content String,
    content_type LowCardinality(String),
    encoding LowCardinality(String),
    segments UInt16,
    segments_before UInt16,
    urls String,
    callback_url String,
    callback_data String,
    track_clicks Bool,
    dlt_template_id LowCardinality(String),
    expires_at DateTime64(3, 'UTC'),
    accepted_at DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(accepted_at)
ORDER BY (tenant, id)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

-- The message that a code was minted for: what a click of the code is looked up by.
CREATE TABLE IF NOT EXISTS message_codes
(
    tenant LowCardinality(String),
    link UInt64,
    code String,
    message String,
    long_url String,
    short_url String,
    accepted_at DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(accepted_at)
ORDER BY (tenant, link, code)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

-- The end of a message: sent, failed or expired. One without a row here is queued.
CREATE TABLE IF NOT EXISTS message_statuses
(
    tenant LowCardinality(String),
    id String,
    status LowCardinality(String),
    reason String,
    gateway_id String,
    status_at DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(status_at)
ORDER BY (tenant, id)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

-- When each dispatcher was last alive: the messages of one that is gone are handed over by another.
CREATE TABLE IF NOT EXISTS message_dispatchers
(
    owner String,
    seen_at DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(seen_at)
ORDER BY owner
SETTINGS non_replicated_deduplication_window = 1000;

-- The newest version of a template counts; a deleted one stays, so that its id is never given again.
CREATE TABLE IF NOT EXISTS message_templates
(
    tenant LowCardinality(String),
    id String,
    document String,
    version UInt64,
    deleted Bool
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (tenant, id)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1;
