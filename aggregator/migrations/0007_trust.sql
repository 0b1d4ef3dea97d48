-- Whose network a click's address is in, and how the click came to us.
ALTER TABLE clicks ADD COLUMN IF NOT EXISTS asn UInt32;

ALTER TABLE clicks ADD COLUMN IF NOT EXISTS network LowCardinality(String) DEFAULT 'Unknown';

ALTER TABLE clicks ADD COLUMN IF NOT EXISTS network_kind LowCardinality(String) DEFAULT 'Unknown';

ALTER TABLE clicks ADD COLUMN IF NOT EXISTS channel LowCardinality(String) DEFAULT 'redirect';

-- What was minted at a time: a link's codes lie together, and are mostly minted within hours.
ALTER TABLE codes ADD INDEX IF NOT EXISTS minted_at minted_at TYPE minmax GRANULARITY 1;

-- The salt of each day of UTC, for tenants whose addresses are not kept whole. It is dropped two days later, and
-- with it the last that could tell which visitor of that day was which address.
CREATE TABLE IF NOT EXISTS address_salts
(
    day Date,
    salt String
)
ENGINE = MergeTree
PARTITION BY day
ORDER BY day
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1;

-- What was asked to be judged again, and how far that is. The newest version of each counts.
CREATE TABLE IF NOT EXISTS reclassifications
(
    id String,
    document String,
    version UInt64
)
ENGINE = ReplacingMergeTree(version)
ORDER BY id
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

-- While clicks are judged again: what is judged otherwise now. `input` is a hash of all that the rules look at, and of
-- the stored judgement. Dropped when the clicks are changed.
CREATE TABLE IF NOT EXISTS reclassified_inputs
(
    reclassification String,
    month UInt32,
    input UInt128,
    verdict LowCardinality(String),
    rule LowCardinality(String)
)
ENGINE = MergeTree
PARTITION BY (reclassification, month)
ORDER BY input
SETTINGS non_replicated_deduplication_window = 10000;

CREATE TABLE IF NOT EXISTS reclassified_clicks
(
    reclassification String,
    month UInt32,
    tenant LowCardinality(String),
    link UInt64,
    ts DateTime64(3, 'UTC'),
    source UInt64,
    seq UInt64,
    verdict_before LowCardinality(String),
    rule_before LowCardinality(String),
    verdict LowCardinality(String),
    rule LowCardinality(String)
)
ENGINE = MergeTree
PARTITION BY (reclassification, month)
ORDER BY (source, seq)
SETTINGS non_replicated_deduplication_window = 10000;

-- Up to which time of their storing clicks were judged by their timing.
CREATE TABLE IF NOT EXISTS timing_passes
(
    id UInt8,
    stored_until DateTime64(3, 'UTC'),
    version UInt64
)
ENGINE = ReplacingMergeTree(version)
ORDER BY id
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;
