"""Where events come from: one Protocol, one module a technology, and `open_source` to choose by URL."""

from pathlib import Path

from ingest.sources.source import Source


def open_source(url: str | None, folder: Path) -> Source:
    """Kafka at `url`, or the spool in `folder` itself where it is None.

    Raises `SettingsError` where the URL is no good, `SpoolInUseError` where the spool has its reader.
    """
    if url is None:
        from ingest.sources.spool import SpoolSource

        return SpoolSource(folder)
    from ingest.kafka.address import parse_address
    from ingest.sources.kafka import KafkaSource

    return KafkaSource(parse_address(url))
