-- How often the rows of each quarter of an hour were changed: by a click that was stored, or by a mark. What was
-- computed from the rows says up to which change it did, and is stale as soon as this says more.
-- Days come before subjects: the list of links asks for all of them on few days, a report for one on a month of days.
-- `subject` is the link's number, cityHash64 of the domain, or 0 for the whole tenant.
CREATE TABLE IF NOT EXISTS click_changes
(
    tenant LowCardinality(String),
    scope Enum8('link' = 1, 'domain' = 2, 'tenant' = 3),
    subject UInt64,
    start DateTime('UTC'),
    day Date DEFAULT toDate(start),
    clicks SimpleAggregateFunction(sum, UInt64),
    marks SimpleAggregateFunction(sum, UInt64)
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(start)
ORDER BY (tenant, scope, day, subject, start)
SETTINGS non_replicated_deduplication_window = 100000, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS click_changes_view TO click_changes AS
SELECT
    tenant,
    tupleElement(subjects, 1) AS scope,
    tupleElement(subjects, 2) AS subject,
    toDateTime(toStartOfFifteenMinutes(ts), 'UTC') AS start,
    count() AS clicks,
    toUInt64(0) AS marks
FROM clicks
ARRAY JOIN [('link', link), ('domain', cityHash64(domain)), ('tenant', toUInt64(0))] AS subjects
GROUP BY tenant, scope, subject, start;
