-- Codes of a program that was paused must find their token used up by whoever gave them up for lost. It is remembered for
-- so many later inserts, of which one a call is made at the most. A token takes about 100 bytes of memory.
ALTER TABLE codes MODIFY SETTING non_replicated_deduplication_window = 100000;
ALTER TABLE sent_15m MODIFY SETTING non_replicated_deduplication_window = 100000;
