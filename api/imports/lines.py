"""The rows of an import, read from its records: CSV with a header, or NDJSON."""

import csv
from collections.abc import Mapping

from api.bodies import parse_json
from api.imports.columns import Source, is_known
from api.imports.records import MAX_RECORD_BYTES, delimiter_of
from api.ndjson import Line, bytes_of
from api.problems import BODY_TOO_LARGE, MALFORMED_BODY, Flaw, ProblemError, invalid_body


class RowReader:
    """Rows from records, one each. Of CSV the first record is the header."""

    def __init__(self, source: Source, *, is_csv: bool) -> None:
        self._source: Source = source
        self._is_csv = is_csv
        self._header: list[str] | None = None
        self._delimiter = ","

    @property
    def has_begun(self) -> bool:
        """Whether it is known what the records mean."""
        return not self._is_csv or self._header is not None

    def read(self, line: Line) -> Mapping[str, object] | None:
        """The row; None for the header. Raises a problem where there is none."""
        if not self._is_csv:
            value = parse_json(bytes_of(line), "JSON of this line")
            if not isinstance(value, dict):
                raise invalid_body(Flaw("A JSON object is wanted here", pointer="#"))
            return value
        cells = self._cells(line.value)
        if self._header is None:
            if not is_known(self._source, cells):
                raise invalid_body(
                    Flaw(
                        f"The first line names the columns, and an export of {self._source} has one with the"
                        " destination; choose the right source, or csv with destination_url and code",
                        pointer="#/destination_url",
                    )
                )
            self._header = cells
            return None
        if len(cells) != len(self._header):
            detail = f"{len(cells)} cells stand here, and {len(self._header)} in the header."
            raise ProblemError(MALFORMED_BODY, detail + _length_of(line.value))
        return dict(zip(self._header, cells, strict=True))

    def _cells(self, record: bytes | None) -> list[str]:
        if record is None:
            raise ProblemError(
                BODY_TOO_LARGE,
                f"A row has at most {MAX_RECORD_BYTES:,} bytes; this one is longer, or a quote in it is"
                " closed too late or never, and it ends above the row of the next verdict.",
            )
        try:
            text = record.decode("utf-8-sig").rstrip("\r")
            if self._header is None:
                self._delimiter = delimiter_of(text)
            (cells,) = csv.reader([text], delimiter=self._delimiter, strict=True)
        except (UnicodeDecodeError, csv.Error, ValueError):
            raise ProblemError(MALFORMED_BODY, f"The row is not CSV in UTF-8.{_length_of(record)}") from None
        return [cell.strip() for cell in cells]


def _length_of(record: bytes | None) -> str:
    """Of a row of several lines, what may have made it one."""
    breaks = (record or b"").count(b"\n")
    return f" It has {breaks + 1} lines: a quote is closed that late, or never." if breaks else ""
