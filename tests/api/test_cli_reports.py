"""The command line's reports: the files that it writes, and whose clicks it counts."""

import asyncio
import csv
import io
import json
import os
from pathlib import Path

import pyarrow.parquet as pq

from ingest.contract import DEFAULT_TENANT
from tests.api.command import run, run_json
from tests.api.conftest import DOMAIN, RunningApi
from tests.fixtures.clicks import insert_clicks

NOON_MS = 1_767_268_800_000  # 2026-01-01T12:00:00Z
RANGE = ("--from", "2026-01-01T00:00:00Z", "--to", "2026-01-02T00:00:00Z")


async def put_clicks(api: RunningApi, count: int, **fields: object) -> str:
    """The id of a new link with so many clicks, every third one a preview's."""
    link = str((await api.make(**fields))["id"])
    document = api.catalogue.link(DEFAULT_TENANT, link)
    assert document is not None
    click = {"tenant": DEFAULT_TENANT, "link": document.number, "domain": DOMAIN, "country": "GB"}
    verdicts = ("preview", "human", "human")
    clicks = [
        {**click, "ts": NOON_MS, "seq": seq, "verdict": verdicts[seq % 3], "visitor": seq}
        for seq in range(count)
    ]
    insert_clicks(api.warehouse, clicks, link)
    return link


async def test_an_export_is_whole_and_of_what_was_asked(api: RunningApi, tmp_path: Path) -> None:
    link = await put_clicks(api, 300, campaign="spring", tags=["sms"])
    await put_clicks(api, 30)
    wanted = (("clicks.csv", "--link", link), ("clicks.Parquet", "--verdict", "human"))
    exports = (run(api.url, "export", *arguments, *RANGE, folder=tmp_path) for arguments in wanted)
    assert await asyncio.gather(*exports) == [(0, "", "")] * 2
    rows = list(csv.DictReader(io.StringIO((tmp_path / "clicks.csv").read_text("utf-8-sig"))))
    assert {row["id"] for row in rows} == {f"1-{seq}" for seq in range(300)}
    assert pq.read_table(tmp_path / "clicks.Parquet").num_rows == 220
    code, output, _ = await run(
        api.url, "export", "-", "--format", "ndjson", "--campaign", "spring", "--country", "GB", *RANGE
    )
    assert (code, len(list(map(json.loads, output.splitlines())))) == (0, 300)
    refused = {
        ("none.csv", "--link", "lnk_none"): 3,
        ("none.csv", "--link", link, "--tag", "sms"): 2,
        ("none.xlsx",): 2,
        ("nowhere/none.csv",): 1,
    }
    tried = (run(api.url, "export", *arguments, folder=tmp_path) for arguments in refused)
    for (code, _, errors), expected in zip(await asyncio.gather(*tried), refused.values(), strict=True):
        assert (code, errors == "", "Traceback" in errors) == (expected, False, False)
    left = [name for name in os.listdir(tmp_path) if "clicks" in name or "none" in name]  # noqa: PTH208 - names alone
    assert sorted(left) == ["clicks.Parquet", "clicks.csv"]


async def test_clicks_are_counted_for_a_link_a_campaign_a_tag_a_domain_and_all(api: RunningApi) -> None:
    link = await put_clicks(api, 30, campaign="spring", tags=["sms"])
    await put_clicks(api, 60, campaign="spring")
    await put_clicks(api, 90, tags=["sms"])
    counts = {
        (link,): 30,
        ("--campaign", "spring"): 90,
        ("--tag", "sms"): 120,
        ("--domain", DOMAIN): 180,
        (): 180,
    }
    reports = await asyncio.gather(*(run_json(api.url, "stats", *of, *RANGE) for of in counts))
    for report, clicks in zip(reports, counts.values(), strict=True):
        totals = report["totals"]
        assert (totals["total_clicks"], totals["human_clicks"]) == (clicks, clicks * 2 // 3)
    code, output, _ = await run(
        api.url, "stats", "--tag", "sms", *RANGE, "--by", "country", "--compare", "--interval", "hour"
    )
    assert (code, "120 (0 before)" in output, "▁█▁" in output, "GB" in output) == (0, True, True, True)
    code, _, errors = await run(api.url, "stats", "--range", "today", *RANGE)
    assert (code, "range:" in errors) == (3, True)
