"""Clicks as CSV, NDJSON and Parquet, written piece by piece."""

import csv
import io
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal, Protocol

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from api.reports.click_rows import AT, FIELDS
from api.reports.csv_cells import BYTE_ORDER_MARK, keep_texts
from ingest.contract import Row

FileFormat = Literal["csv", "ndjson", "parquet"]
MEDIA_TYPES: Final[dict[FileFormat, str]] = {
    "csv": "text/csv; charset=utf-8",
    "ndjson": "application/x-ndjson",
    "parquet": "application/vnd.apache.parquet",
}

ROWS_A_GROUP: Final = 50_000

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
COLUMNS: Final = tuple("clicked_at" if name == "clicked_at_ms" else name for name in FIELDS)


class FileWriter(Protocol):
    """Makes a file of rows of `FIELDS`. Holds a row group at the most."""

    def write(self, rows: Sequence[Row]) -> bytes: ...

    def end(self) -> bytes:
        """The last of the file."""
        ...


def file_writer(kind: FileFormat, *, spreadsheet: bool) -> FileWriter:
    """`spreadsheet`: whether CSV is for one. The other formats are exact in any case."""
    if kind == "csv":
        return _Csv(spreadsheet=spreadsheet)
    return _Ndjson() if kind == "ndjson" else _Parquet()


def rfc_3339(unix_ms: int) -> str:
    instant = _EPOCH + timedelta(milliseconds=unix_ms)
    return instant.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class _Csv:
    """RFC 4180 in UTF-8; for a spreadsheet with a byte order mark, and cells that are never formulas."""

    def __init__(self, *, spreadsheet: bool) -> None:
        self._spreadsheet = spreadsheet
        self._head = (BYTE_ORDER_MARK if spreadsheet else "") + ",".join(COLUMNS) + "\r\n"

    def write(self, rows: Sequence[Row]) -> bytes:
        text = io.StringIO()
        text.write(self._head)
        self._head = ""
        csv.writer(text).writerows(map(self._cells, rows))
        return text.getvalue().encode()

    def end(self) -> bytes:
        return self.write(())

    def _cells(self, row: Row) -> list[str]:
        cells = keep_texts(map(str, row)) if self._spreadsheet else [*map(str, row)]
        cells[AT] = rfc_3339(row[AT])
        return cells


class _Ndjson:
    def write(self, rows: Sequence[Row]) -> bytes:
        return b"".join(orjson.dumps(document_of(row), option=orjson.OPT_APPEND_NEWLINE) for row in rows)

    def end(self) -> bytes:
        return b""


def document_of(row: Row) -> dict[str, Any]:
    """A click as JSON shows it."""
    document = dict(zip(COLUMNS, row, strict=True))
    document["clicked_at"] = rfc_3339(row[AT])
    return document


class _Parquet:
    """Row groups of `ROWS_A_GROUP`; texts that repeat are stored once a group."""

    def __init__(self) -> None:
        self._schema = pa.schema(
            [(name, pa.timestamp("ms", "UTC") if name == "clicked_at" else pa.string()) for name in COLUMNS]
        )
        self._sink = io.BytesIO()
        self._writer = pq.ParquetWriter(_Forward(self._sink), self._schema, compression="zstd")
        self._batches: list[pa.RecordBatch] = []  # as columns, rows take a tenth of what tuples do
        self._held = 0

    def write(self, rows: Sequence[Row]) -> bytes:
        if rows:
            columns = zip(*rows, strict=True)
            arrays = [
                pa.array(column, field.type) for column, field in zip(columns, self._schema, strict=True)
            ]
            self._batches.append(pa.record_batch(arrays, schema=self._schema))
            self._held += len(rows)
        if self._held >= ROWS_A_GROUP:
            self._write_group()
        return self._take()

    def end(self) -> bytes:
        if self._held:
            self._write_group()
        self._writer.close()
        return self._take()

    def _write_group(self) -> None:
        self._writer.write_table(pa.Table.from_batches(self._batches), row_group_size=self._held)
        self._batches, self._held = [], 0

    def _take(self) -> bytes:
        written = self._sink.getvalue()
        self._sink.seek(0)
        self._sink.truncate()
        return written


class _Forward(io.RawIOBase):
    """A file that only grows: it tells how long it is, while what is written is taken away."""

    def __init__(self, sink: io.BytesIO) -> None:
        self._sink = sink
        self._length = 0

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._length

    def write(self, data: Any) -> int:
        written = self._sink.write(data)
        self._length += written
        return written
