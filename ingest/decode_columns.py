"""From many events to clicks as columns, without an object for each: what edges write, and nothing else.

An event up to its headers is `{"v":1,` and twelve fields, numbers and short texts, in the same order in each.
So heads, one a line, are a table of cells `"name":value`, parted by commas, which Arrow's CSV reader takes
apart. This is exact, because of each cell is checked that it is its field's name and one whole JSON value: a
comma, quote or newline within a value, a field too many or too few make other cells or other lines. Where one
event does not pass, all are left to `decode`, and a test holds both to each other.
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
from numpy.typing import NDArray

from ingest.clicks import Clicks
from ingest.columns import CodedColumn
from ingest.decode import BEGINNING, HEADERS_MARK, MAX_TEXT_CHARS, MAX_TS_MS, Click, Text, headers_of

LOT: Final = 8_192
"""Events at a time: what Arrow makes of them on the way, five times their size, is 20 MB at most."""
# A cell's pattern, by the kind of field. The others have few values, each of which is read as JSON.
_NUMBER: Final = r'\A"{}":(0|[1-9][0-9]{{0,18}})\z'
_TEXT: Final = r'\A"{}":"[^"\\\x00-\x1f]*"\z'
_NUMBERS: Final = ("seq", "ts", "link")
_TEXTS: Final = ("code", "ip")
_FEW: Final = ("source", "host", "tenant", "personal", "method", "route", "outcome")
_FIELDS: Final = {"v", *_NUMBERS, *_TEXTS, *_FEW}
_TYPES: Final = {field.encode_name: field.type for field in msgspec.structs.fields(Click)} | {"tenant": Text}
_READERS: Final = {name: msgspec.json.Decoder(_TYPES[name]).decode for name in _FEW}

_FEW_TEXTS: Final = pa.dictionary(pa.int32(), pa.string())
_CELLS: Final = pyarrow.csv.ParseOptions(delimiter=",", quote_char=False, escape_char=False)
_ARROW_TYPES: Final = dict.fromkeys((*_NUMBERS, *_TEXTS), pa.string()) | dict.fromkeys(_FEW, _FEW_TEXTS)
_CONVERSION: Final = pyarrow.csv.ConvertOptions(
    column_types=_ARROW_TYPES, include_columns=list(_ARROW_TYPES), strings_can_be_null=False, null_values=[]
)


class _UnusualEventError(Exception):
    """An event is not as edges write them."""


def decode_columns(values: Sequence[bytes]) -> Clicks | None:
    """As `decode` of each (there is one at least), orphans too; None where one is not as edges write them."""
    lots = []
    for start in range(0, len(values), LOT):
        lot = _decode_lot(values[start : start + LOT])
        if lot is None:
            return None
        lots.append(lot)
    return Clicks.joined(lots)


def _decode_lot(values: Sequence[bytes]) -> Clicks | None:
    try:
        names = _field_names(values[0])
        events = pa.array(values, pa.binary())
        if not pc.all(pc.starts_with(events, BEGINNING)).as_py():
            return None
        parts = pc.split_pattern(events, HEADERS_MARK, max_splits=1)
        cells = _read_cells(pc.list_element(parts, 0), names)
        numbers = {name: _read_numbers(name, cells[name]) for name in _NUMBERS}
        texts = {name: _read_texts(name, cells[name]) for name in _TEXTS}
        few = {name: _read_few(name, cells[name]) for name in _FEW}
        rests = pc.list_element(parts, 1).dictionary_encode()
        headers = CodedColumn(list(map(headers_of, rests.dictionary.to_pylist())), _codes(rests))
    except (pa.ArrowException, ValueError, _UnusualEventError):  # a JSON error is a ValueError, too
        return None
    clicks = Clicks(
        source=few["source"].distinct(),
        seq=numbers["seq"],
        ts_ms=numbers["ts"],
        host=few["host"],
        code=texts["code"],
        link=numbers["link"],
        tenant=few["tenant"],
        personal=_rows_of(few["personal"], value=True),
        method=few["method"],
        route=few["route"],
        outcome=few["outcome"],
        ip=texts["ip"],
        headers=headers,
    )
    return clicks if _are_whole(clicks) else None


def _field_names(event: bytes) -> list[str]:
    """The names of the fields before its headers, in order."""
    fields = orjson.loads(event.partition(HEADERS_MARK)[0] + b"}")
    if fields.keys() != _FIELDS:
        raise _UnusualEventError
    return list(fields)


def _read_cells(heads: pa.BinaryArray, names: list[str]) -> dict[str, Any]:
    """By field a cell for each head."""
    lines = pc.binary_join(pa.ListArray.from_arrays(pa.array([0, len(heads)], pa.int32()), heads), b"\n")[0]
    table = pyarrow.csv.read_csv(
        pa.BufferReader(lines.as_buffer()),
        read_options=pyarrow.csv.ReadOptions(
            use_threads=False, column_names=names, block_size=len(lines.as_buffer())
        ),
        parse_options=_CELLS,
        convert_options=_CONVERSION,
    )
    if len(table) != len(heads):
        raise _UnusualEventError
    return {name: table[name].combine_chunks() for name in table.column_names}


def _read_numbers(name: str, cells: pa.StringArray) -> NDArray[np.int64]:
    _match(_NUMBER.format(name), cells)
    numbers: NDArray[np.int64] = np.asarray(
        pc.cast(pc.utf8_slice_codeunits(cells, len(name) + 3), pa.int64())
    )
    return numbers


def _read_texts(name: str, cells: pa.StringArray) -> list[str]:
    _match(_TEXT.format(name), cells)
    texts = pc.utf8_slice_codeunits(cells, len(name) + 4, -1)
    if pc.max(pc.utf8_length(texts)).as_py() > MAX_TEXT_CHARS:
        raise _UnusualEventError
    read: list[str] = texts.to_pylist()
    return read


def _read_few(name: str, cells: pa.DictionaryArray) -> CodedColumn:
    start = f'"{name}":'
    values = []
    for cell in cells.dictionary.to_pylist():
        if not cell.startswith(start):
            raise _UnusualEventError
        values.append(_READERS[name](cell[len(start) :]))
    return CodedColumn(values, _codes(cells))


def _match(pattern: str, cells: pa.StringArray) -> None:
    if not pc.all(pc.match_substring_regex(cells, pattern)).as_py():
        raise _UnusualEventError


def _codes(column: pa.DictionaryArray) -> NDArray[np.intp]:
    return np.asarray(column.indices).astype(np.intp)


def _rows_of(column: CodedColumn, *, value: object) -> NDArray[np.bool_]:
    """Which rows have this value."""
    return np.array([other == value for other in column.values], np.bool_)[column.codes]


def _are_whole(clicks: Clicks) -> bool:
    """What is checked of a click beyond each field by itself."""
    orphans = _rows_of(clicks.outcome, value="not_found")
    signs = (
        clicks.link == 0,
        _rows_of(clicks.tenant, value=""),
        _rows_of(clicks.route, value="none"),
    )
    return (
        all(np.array_equal(sign, orphans) for sign in signs)
        and not bool((orphans & clicks.personal).any())
        and all(clicks.code)
        and int(clicks.seq.min()) >= 1
        and 1 <= int(clicks.ts_ms.min()) <= int(clicks.ts_ms.max()) <= MAX_TS_MS
    )
