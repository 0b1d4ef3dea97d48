-- A token is remembered for so many later inserts. With Kafka each partition makes up to two inserts a second, and a
-- reader that died is followed by another only after its session has timed out, or after a warehouse's answer has
-- (60 s): with 100 partitions that is 12,000 inserts later. A token takes about 100 bytes of memory.
ALTER TABLE clicks MODIFY SETTING non_replicated_deduplication_window = 100000;
ALTER TABLE clicks_15m MODIFY SETTING non_replicated_deduplication_window = 100000;
ALTER TABLE click_sources MODIFY SETTING non_replicated_deduplication_window = 100000;
