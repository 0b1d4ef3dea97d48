"""The rows of an import, cut from its lines: CSV with a header, or NDJSON."""

import csv
from collections.abc import Mapping

from api.bodies import parse_json
from api.imports.columns import Source, is_known
from api.problems import MALFORMED_BODY, Flaw, ProblemError, invalid_body

_DELIMITERS = (",", ";", "\t")


class RowReader:
    """Rows from lines, one a line. A line break inside of quotes is not supported; such a line is refused."""

    def __init__(self, source: Source, *, is_csv: bool) -> None:
        self._source: Source = source
        self._is_csv = is_csv
        self._header: list[str] | None = None
        self._delimiter = ","

    @property
    def has_begun(self) -> bool:
        """Whether it is known what the lines mean."""
        return not self._is_csv or self._header is not None

    def read(self, line: bytes) -> Mapping[str, object] | None:
        """The row; None for the header. Raises a problem where the line is none."""
        if not self._is_csv:
            value = parse_json(line, "JSON of this line")
            if not isinstance(value, dict):
                raise invalid_body(Flaw("A JSON object is wanted here", pointer="#"))
            return value
        cells = self._cells(line)
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
            raise ProblemError(
                MALFORMED_BODY, f"{len(cells)} cells stand here, and {len(self._header)} in the header."
            )
        return dict(zip(self._header, cells, strict=True))

    def _cells(self, line: bytes) -> list[str]:
        try:
            text = line.decode("utf-8-sig").rstrip("\r")
            if self._header is None:
                self._delimiter = max(_DELIMITERS, key=text.count)
            (cells,) = csv.reader([text], delimiter=self._delimiter, strict=True)
        except (UnicodeDecodeError, csv.Error, ValueError):
            raise ProblemError(
                MALFORMED_BODY, "The line is not CSV in UTF-8 with a whole row a line."
            ) from None
        return [cell.strip() for cell in cells]
