-- What another shortener had counted before the link was imported. Never part of any report's clicks.
ALTER TABLE links ADD COLUMN IF NOT EXISTS imported_clicks UInt64 DEFAULT 0;
