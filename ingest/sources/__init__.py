"""Where events come from: one Protocol, one module a technology, and `open_source` to choose by URL."""

from pathlib import Path

from edge.contract import PREFIX, SettingsError
from ingest.sources.source import Source


def open_source(url: str | None, folder: Path) -> Source:
    """The source at `url`, or the spool in `folder` itself where it is None.

    Raises `SettingsError` where there is no such source, `SpoolInUseError` where the spool has its reader.
    """
    if url is None:
        from ingest.sources.spool import SpoolSource

        return SpoolSource(folder)
    raise SettingsError(
        f"{PREFIX}EVENTS_URL: kafka:// is not supported yet; leave it unset to read the spool"
    )
