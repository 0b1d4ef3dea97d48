"""Dead letters as clicks once more: under a source made for the replay, through the same steps as any event.

The event keeps all that it says but its source and number: by those it would be taken for a repeat of what
its source has sent since.
"""

from collections.abc import Sequence
from pathlib import Path

import orjson

from ingest.columns import Column
from ingest.decode import Click, UndecodableError, decode
from ingest.enrich.steps import Enrichment, open_enrichment
from ingest.warehouse import Warehouse


class ReplayEnrichment:
    """The steps of ingest for events of `data_dir` and `geoip_path`, opened when they are first needed."""

    def __init__(self, *, data_dir: Path, geoip_path: str | None, warehouse: Warehouse) -> None:
        self._data_dir = data_dir
        self._geoip_path = geoip_path
        self._warehouse = warehouse
        self._enrichment: Enrichment | None = None

    def columns(self, clicks: Sequence[Click], *, now_ms: int) -> dict[str, Column]:
        """As `Enrichment.columns`. Raises `VisitorKeyError`, `OSError`."""
        if self._enrichment is None:
            self._enrichment = open_enrichment(
                data_dir=self._data_dir, geoip_path=self._geoip_path, warehouse=self._warehouse
            )
        return self._enrichment.columns(clicks, now_ms=now_ms)


def decode_as(value: bytes, *, source: int = 1, seq: int = 1) -> Click:
    """The click in a JSON event as number `seq` of `source`. Raises `UndecodableError`."""
    try:
        event = orjson.loads(value)
    except orjson.JSONDecodeError as error:
        raise UndecodableError("not_json", str(error)) from None
    if not isinstance(event, dict):
        raise UndecodableError("not_an_object", f"the event is a {type(event).__name__}")
    return decode(orjson.dumps({**event, "source": source, "seq": seq}))
