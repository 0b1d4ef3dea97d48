-- Events that are no clicks, as they came. `partition` and `position` are where they were read; `source` and `seq`
-- who wrote them, 0 where that can't be told.
CREATE TABLE IF NOT EXISTS dead_letters
(
    partition String,
    position UInt64,
    source UInt64,
    seq UInt64,
    reason LowCardinality(String),
    detail String,
    value String,
    died_at DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree
ORDER BY (partition, position)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

-- What somebody wants done with a dead letter, `replay` (of this value) or `discard`; the first one counts.
CREATE TABLE IF NOT EXISTS dead_letter_requests
(
    partition String,
    position UInt64,
    action LowCardinality(String),
    value String,
    requested_at DateTime64(3, 'UTC')
)
ENGINE = MergeTree
ORDER BY (partition, position, requested_at)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

-- What became of dead letters: `replaying`, `replayed` (as number `replay_seq` of a source made for that),
-- `discarded` or `erased`. Only the aggregator writes here. The letter itself, and its value here, are deleted then.
CREATE TABLE IF NOT EXISTS dead_letter_outcomes
(
    partition String,
    position UInt64,
    source UInt64,
    seq UInt64,
    outcome LowCardinality(String),
    replay_source UInt64,
    replay_seq UInt64,
    value String,
    version UInt64,
    decided_at DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (partition, position)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

-- Records that were read and are neither clicks nor dead letters: `damaged` or `repeated`.
CREATE TABLE IF NOT EXISTS passed_over_records
(
    partition String,
    start UInt64,
    end UInt64,
    reason LowCardinality(String),
    records UInt64,
    passed_at DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree
ORDER BY (partition, start, end, reason)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

-- The codes of people who asked to be forgotten, for the 48 hours in which a click may still be on its way. Nothing
-- here says whose they were.
CREATE TABLE IF NOT EXISTS recipient_erasures
(
    tenant LowCardinality(String),
    id String,
    link UInt64,
    domain LowCardinality(String),
    code String,
    asked_at DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree
ORDER BY (tenant, id, link, code)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

ALTER TABLE removed_clicks ADD COLUMN IF NOT EXISTS reason LowCardinality(String) DEFAULT 'erased';

-- A person is looked for by recipient alone, which is not what codes are ordered by.
ALTER TABLE codes ADD INDEX IF NOT EXISTS recipient recipient TYPE bloom_filter GRANULARITY 1;

-- Where clicks were deleted while reports have not been told yet. What stays here for minutes was left by the dead.
CREATE TABLE IF NOT EXISTS removal_windows
(
    removed_at DateTime64(3, 'UTC'),
    tenant LowCardinality(String),
    link Nullable(UInt64),
    start DateTime64(3, 'UTC'),
    end DateTime64(3, 'UTC')
)
ENGINE = MergeTree
ORDER BY removed_at
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;
