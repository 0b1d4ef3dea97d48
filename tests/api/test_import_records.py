"""Rows of CSV are cut as the csv module reads them, in whatever pieces they arrive."""

import csv
import io
import tracemalloc
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.imports.records import MAX_RECORD_BYTES, RecordCutter
from api.ndjson import Line
from tests.api.conftest import DOMAIN, RunningApi
from tests.api.test_imports import import_lines

CELLS = st.text(st.sampled_from('ab",;\t\n\r é\ufeff'), max_size=6)


def cut(body: bytes, piece_bytes: int) -> list[Line]:
    cutter = RecordCutter()
    pieces = [body[at : at + piece_bytes] for at in range(0, len(body), piece_bytes)]
    return [record for piece in pieces for record in cutter.feed(piece)] + cutter.end()


@given(
    rows=st.lists(st.lists(CELLS, min_size=2, max_size=3), max_size=5),
    delimiter=st.sampled_from(",;\t"),
    piece_bytes=st.integers(1, 40),
)
def test_rows_that_a_csv_writer_wrote_are_cut_as_they_were(
    rows: list[list[str]], delimiter: str, piece_bytes: int
) -> None:
    file = io.StringIO()
    writer = csv.writer(file, delimiter=delimiter, lineterminator="\r\n")
    written = {}
    for row in [["one", "two", "three"], *rows]:
        written[file.getvalue().count("\n") + 1] = row
        writer.writerow(row)
    read = {}
    for line in cut(file.getvalue().encode(), piece_bytes):
        assert line.value is not None
        (read[line.number],) = csv.reader(
            [line.value.decode().rstrip("\r")], delimiter=delimiter, strict=True
        )
    blank = {number: row for number, row in written.items() if delimiter == "\t" and not any(row)}
    assert read == {number: row for number, row in written.items() if number not in blank}


@pytest.mark.parametrize("piece_bytes", [1, 7, 100_000])
def test_stray_quotes_are_text_and_open_ones_go_on(piece_bytes: int) -> None:
    bodies = {
        b'\xef\xbb\xbf"na\nme";url\n5" nail;u\n;"a;\n""b"";\n"\n\n \r\nlast;': [
            Line(1, b'\xef\xbb\xbf"na\nme";url'),
            Line(3, b'5" nail;u'),
            Line(4, b';"a;\n""b"";\n"'),
            Line(9, b"last;"),
        ],
        b'a,b\n"never,\nclosed\n': [Line(1, b"a,b"), Line(2, b'"never,\nclosed\n')],
        b'a,b\n"x\n' + b"y" * MAX_RECORD_BYTES + b'\n",2\n3,4': [
            Line(1, b"a,b"),
            Line(2, None),
            Line(5, b"3,4"),
        ],
    }
    for body, records in bodies.items():
        assert cut(body, piece_bytes) == records


async def test_cells_with_line_breaks_are_imported(api: RunningApi) -> None:
    body = (
        "code,destination_url,name\r\n"
        'Multi1,https://www.example.com/1,"Spring\r\n\r\n""sale"", 2026"\r\n'
        'Multi2,https://www.example.com/2,"ends here"\r\n'
        'Multi3,"https://www.example.com/3,never closed\r\n'
        "Multi4,https://www.example.com/4,part of the row above\r\n"
    )
    first, second, third = await import_lines(api, "csv", body)
    assert [verdict["line"] for verdict in (first, second, third)] == [2, 5, 6]
    link = (await api.client.get(f"/v1/links/{first['id']}")).json()
    assert (link["name"], link["short_url"]) == ('Spring "sale", 2026', f"https://{DOMAIN}/Multi1")
    assert second["status"] == "created"
    assert third["problem"]["type"] == "/problems/malformed-body"
    assert "a quote is closed that late, or never" in third["problem"]["detail"]
    assert await api.link_store.resolve("", "Multi4") is None


async def test_a_row_without_end_takes_no_memory(api: RunningApi) -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b'code,destination_url\nLong1,"https://www.example.com/'
        for _ in range(200):
            yield b"x,\n" * 20_000
        yield b'"\nShort1,https://www.example.com/\n'

    tracemalloc.start()
    try:
        answer = await api.client.post("/v1/imports", content=body(), headers={"Content-Type": "text/csv"})
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    long, short = answer.text.splitlines()
    assert '"/problems/body-too-large"' in long
    assert '"line":2,' in long
    assert '"line":4000003,' in short
    assert '"status":"created"' in short
    assert peak_bytes < 8_000_000
