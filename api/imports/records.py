"""Records of a CSV body (RFC 4180), cut as it comes in: a line break inside of quotes is part of its cell."""

import re
from typing import Final

from api.ndjson import MAX_LINE_BYTES, Line

MAX_RECORD_BYTES: Final = MAX_LINE_BYTES
_BOM: Final = b"\xef\xbb\xbf"
_DELIMITERS: Final = (",", ";", "\t")
_QUOTED: Final = re.compile(rb'"|[^"]+')
_UNQUOTED: Final = re.compile(rb'"|\n|[^"\n]+')


def delimiter_of(header: str) -> str:
    """What stands between the cells: the one of which the header has most."""
    return max(_DELIMITERS, key=header.count)


class RecordCutter:
    """Cuts the pieces of a body into records. Holds one of at most `MAX_RECORD_BYTES` at a time.

    Quotes are read as the csv module reads them: where a cell begins they open, elsewhere they are text. So
    no line of a cell is ever taken for a record, and a quote that is never closed takes in all that follows.
    """

    def __init__(self) -> None:
        self._delimiters = "".join(_DELIMITERS).encode()
        self._is_header = True
        self._line = self._first_line = 1
        self._record = bytearray()
        self._is_too_long = False
        self._is_at_cell = True
        self._is_in_quotes = self._is_behind_quote = False

    def feed(self, piece: bytes) -> list[Line]:
        """The records that end in this piece, blank ones left out, numbered by their first lines."""
        records: list[Line] = []
        position = begin = 0
        while match := (_QUOTED if self._is_in_quotes else _UNQUOTED).match(piece, position):
            position = match.end()
            self._line += match[0].count(b"\n")
            if self._is_end(match[0]):
                self._hold(piece[begin : match.start()])
                begin = position
                records += self.end()
        self._hold(piece[begin:])
        return records

    def end(self) -> list[Line]:
        """The record that is held: the last one, where it had no newline."""
        value, number = bytes(self._record), self._first_line
        is_too_long, self._is_too_long = self._is_too_long, False
        self._record.clear()
        self._first_line = self._line
        if not is_too_long and not value.strip():
            return []
        if self._is_header:
            self._delimiters = delimiter_of(value.decode("utf-8", "replace")).encode()
            self._is_header = False
        return [Line(number, None if is_too_long else value)]

    def _is_end(self, token: bytes) -> bool:
        """Whether the record ends with this quote, line break or text."""
        if token == b'"':
            # The second of a pair, which stands for one quote, opens again what the first one closed.
            opens = not self._is_in_quotes and (self._is_at_cell or self._is_behind_quote)
            self._is_behind_quote, self._is_in_quotes = self._is_in_quotes, opens
            self._is_at_cell = False
        elif not self._is_in_quotes:
            is_begin = self._is_header and not token.strip(_BOM)
            self._is_at_cell = token == b"\n" or token[-1] in self._delimiters or is_begin
            self._is_behind_quote = False
            return token == b"\n"
        return False

    def _hold(self, part: bytes) -> None:
        self._is_too_long = self._is_too_long or len(self._record) + len(part) > MAX_RECORD_BYTES
        if self._is_too_long:
            self._record.clear()
        else:
            self._record += part
