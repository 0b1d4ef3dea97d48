-- The changes of whole days, those of a subject one behind the other: a report on a month asks for thirty of them.
-- Fed by whatever goes into click_changes, marks too.
CREATE TABLE IF NOT EXISTS click_days
(
    tenant LowCardinality(String),
    scope Enum8('link' = 1, 'domain' = 2, 'tenant' = 3),
    subject UInt64,
    day Date,
    clicks SimpleAggregateFunction(sum, UInt64),
    marks SimpleAggregateFunction(sum, UInt64)
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(day)
ORDER BY (tenant, scope, subject, day)
SETTINGS non_replicated_deduplication_window = 100000, fsync_after_insert = 1, fsync_part_directory = 1,
    index_granularity = 512;

-- From the start again where this died half-way. The view comes first: what is stored meanwhile is counted twice, which
-- costs windows to be computed again; were it not counted at all, a window could seem to hold that does not.
DROP TABLE IF EXISTS click_days_view;

TRUNCATE TABLE click_days;

CREATE MATERIALIZED VIEW IF NOT EXISTS click_days_view TO click_days AS
SELECT tenant, scope, subject, toDate(start) AS day, sum(clicks) AS clicks, sum(marks) AS marks
FROM click_changes
GROUP BY tenant, scope, subject, day;

INSERT INTO click_days (tenant, scope, subject, day, clicks, marks)
SELECT tenant, scope, subject, day, sum(clicks), sum(marks)
FROM click_changes
GROUP BY tenant, scope, subject, day
SETTINGS insert_deduplicate = 0, async_insert = 0;
