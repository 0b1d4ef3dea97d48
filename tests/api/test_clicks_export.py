"""The clicks themselves: pages by cursor, and files that spreadsheets and programs read."""

import asyncio
import contextlib
import csv
import io
import json
import threading
from collections.abc import Generator, Mapping

import httpx
import pyarrow.parquet as pq
import pytest

from api.auth import DEFAULT_TENANT
from api.reports import click_rows
from api.reports.contract import keep_texts
from ingest.contract import Row
from tests.api.conftest import RunningApi
from tests.fixtures.clicks import insert_clicks

AGENT = '=HYPERLINK("http://example.com","a, b")'
NOON_MS = 1_767_268_800_000  # 2026-01-01T12:00:00Z
RANGE = {"from": "2026-01-01T00:00:00Z", "to": "2026-01-02T00:00:00Z"}


async def clicked(api: RunningApi, count: int) -> str:
    """The path of a link's clicks: `count` of them, two a millisecond."""
    link = await api.make()
    document = api.catalogue.link(DEFAULT_TENANT, str(link["id"]))
    assert document is not None
    clicks = [
        {
            "tenant": DEFAULT_TENANT,
            "link": document.number,
            "ts": NOON_MS + seq // 2,
            "seq": seq,
            "verdict": "human" if seq % 3 else "preview",
            "user_agent": AGENT,
            "country": "GB",
        }
        for seq in range(count)
    ]
    insert_clicks(api.warehouse, clicks, f"clicks of {document.number}")
    return f"/v1/links/{link['id']}/clicks"


async def test_pages_follow_each_other_without_a_gap(api: RunningApi) -> None:
    path = await clicked(api, 25)
    seen: list[str] = []
    cursor = None
    while True:
        parameters = {**RANGE, "limit": "7", **({"cursor": cursor} if cursor else {})}
        page = (await api.client.get(path, params=parameters)).json()
        seen += [click["id"] for click in page["data"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == [f"1-{seq}" for seq in range(25)]
    human = (await api.client.get(path, params={**RANGE, "verdict": "human"})).json()["data"]
    assert len(human) == 16
    assert human[0]["clicked_at"] == "2026-01-01T12:00:00.000Z"
    assert human[0]["link_id"] == path.split("/")[3]


async def test_files_have_every_click_once(api: RunningApi) -> None:
    path = await clicked(api, 1_000)
    await clicked(api, 5)
    read = {}
    for kind in ("csv", "ndjson", "parquet"):
        answer = await api.client.get(path, params={**RANGE, "format": kind})
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-disposition"] == f'attachment; filename="clicks.{kind}"'
        read[kind] = answer.content
    rows = list(csv.DictReader(io.StringIO(read["csv"].decode("utf-8-sig"))))
    lines = [json.loads(line) for line in read["ndjson"].splitlines()]
    table = pq.read_table(io.BytesIO(read["parquet"])).to_pylist()
    wanted = {f"1-{seq}" for seq in range(1_000)}
    for found in (rows, lines, table):
        assert len(found) == 1_000
        assert {click["id"] for click in found} == wanted
    assert rows[0]["user_agent"] == f"'{AGENT}"
    assert lines[0]["user_agent"] == AGENT
    assert set(rows[0]) == set(lines[0]) == set(table[0])
    whole = await api.client.get("/v1/clicks", params={**RANGE, "format": "ndjson"})
    assert len(whole.content.splitlines()) == 1_005


async def test_csv_for_programs_has_every_text_as_it_is(api: RunningApi) -> None:
    path = await clicked(api, 2)
    wanted = {**RANGE, "format": "csv", "spreadsheet": "false"}
    rows = list(csv.DictReader(io.StringIO((await api.client.get(path, params=wanted)).text)))
    assert [row["user_agent"] for row in rows] == [AGENT, AGENT]
    lines = (await api.client.get(path, params={**RANGE, "format": "ndjson"})).text.splitlines()
    assert rows == [json.loads(line) for line in lines]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "\0"])
def test_no_text_is_a_formula_to_a_spreadsheet(start: str) -> None:
    assert keep_texts([f"{start}1+1", "1+1", "", f"a{start}"]) == [f"'{start}1+1", "1+1", "", f"a{start}"]


async def test_an_empty_file_has_its_head(api: RunningApi) -> None:
    path = await clicked(api, 1)
    empty = {"from": "2025-01-01T00:00:00Z", "to": "2025-01-02T00:00:00Z"}
    text = (await api.client.get(path, params={**empty, "format": "csv"})).text
    assert text.startswith("\ufeffid,clicked_at,link_id,")
    parquet = (await api.client.get(path, params={**empty, "format": "parquet"})).content
    assert pq.read_table(io.BytesIO(parquet)).num_rows == 0


async def test_a_foreign_cursor_and_a_bad_range_are_refused(api: RunningApi) -> None:
    path = await clicked(api, 1)
    for query in ("cursor=nonsense", "from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z", "format=xlsx"):
        answer = await api.client.get(f"{path}?{query}")
        assert answer.status_code == 422, answer.text


async def clicked_often(api: RunningApi) -> str:
    """As `clicked`, of more clicks than sockets and engine hold for a reader: 400,000."""
    path = await clicked(api, 1)
    api.warehouse.command(
        "INSERT INTO clicks (tenant, link, ts, source, seq, verdict, user_agent)"
        " SELECT tenant, link, ts, 2, number, 'human', repeat('agent', 40)"
        " FROM clicks ARRAY JOIN range(400000) AS number"
    )
    return path


@pytest.mark.parametrize("kind", ["csv", "parquet"])
async def test_an_error_in_the_middle_cuts_the_file(
    api: RunningApi, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = await clicked_often(api)
    failing = click_rows._SHOWN.replace("user_agent", "if(throwIf(seq = 350000) = 0, user_agent, '')")
    monkeypatch.setattr(click_rows, "_SHOWN", failing)
    async with api.client.stream("GET", path, params={**RANGE, "format": kind}) as answer:
        assert answer.status_code == 200
        with pytest.raises(httpx.RemoteProtocolError):
            await answer.aread()


async def test_a_reader_that_hangs_up_ends_the_query(
    api: RunningApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = await clicked_often(api)
    ended, rows = threading.Event(), 0
    stream = api.warehouse.stream

    def watched(sql: str, parameters: Mapping[str, object] | None = None) -> Generator[list[Row]]:
        nonlocal rows
        with contextlib.closing(stream(sql, parameters)) as blocks:
            try:
                for block in blocks:
                    rows += len(block)
                    yield block
            finally:
                ended.set()

    monkeypatch.setattr(api.warehouse, "stream", watched)
    async with api.client.stream("GET", path, params={**RANGE, "format": "ndjson"}) as answer:
        await anext(answer.aiter_bytes())
    assert await asyncio.to_thread(ended.wait, 180)
    assert rows < 400_000
