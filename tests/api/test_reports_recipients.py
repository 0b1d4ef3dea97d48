"""Who clicked, and the 30-day counts."""

import csv
import io
import json
from datetime import UTC, datetime, timedelta

import pytest

from api.reports.contract import Clickers, counts_30d, stream_who_clicked, who_clicked
from ingest.contract import Catalogue, CursorError, LinkDocument, Warehouse
from tests.api.conftest import OTHER_KEY, RunningApi
from tests.fixtures.clicks import insert_clicks

NOW = datetime(2025, 6, 15, 12, 7, tzinfo=UTC)
NOW_MS = int(NOW.timestamp() * 1000)


LINK_1 = Clickers("acme", link=1)


def save_link(catalogue: Catalogue, number: int, campaign: str | None = None) -> None:
    fields = {
        "id": f"lnk_{number}",
        "tenant": "acme",
        "name": f"n{number}",
        "domain": "s.example.com",
        "suffix": "",
        "code": f"own{number}",
        "destination_url": "https://www.example.com/",
        "ios_url": None,
        "android_url": None,
        "expires_at_ms": None,
        "expired_url": None,
        "tags": [],
        "external_id": None,
        "forward_query": False,
        "enabled": True,
        "version": 1,
    }
    link = LinkDocument.from_json(
        {**fields, "number": number, "campaign": campaign, "created_at_ms": 1, "updated_at_ms": 1}
    )
    catalogue.save_link(link, token=link.id)


def test_who_clicked_by_human_clicks_alone(warehouse: Warehouse) -> None:
    catalogue = Catalogue(warehouse)
    save_link(catalogue, 1)
    codes = [("aaaa", "+15550101", "r1"), ("bbbb", "+15550102", ""), ("cccc", "+15550103", "")]
    catalogue.add_codes("acme", 1, codes, NOW_MS, token="a")
    phone = {"ip": "192.0.2.1", "browser": "Mobile Safari", "os": "iOS", "device": "iPhone", "country": "DE"}
    insert_clicks(
        warehouse,
        [
            {"code": "aaaa", "ts": NOW_MS + 5, "seq": 1, **phone, "region": "Berlin"},
            {"code": "aaaa", "ts": NOW_MS, "seq": 2, "ip": "192.0.2.2"},
            {"code": "aaaa", "ts": NOW_MS + 9, "seq": 3, "verdict": "preview", "ip": "192.0.2.3"},
            {"code": "bbbb", "ts": NOW_MS, "seq": 4, "verdict": "automated"},
            {"code": "own", "ts": NOW_MS, "seq": 5},
            {"code": "cccc", "ts": NOW_MS, "seq": 6, "link": 2},
        ],
        "b",
    )
    expected = [
        {
            "link": 1,
            "link_id": "lnk_1",
            "link_name": "n1",
            "recipient": "+15550101",
            "reference": "r1",
            "code": "aaaa",
            "clicks": 2,
            "first_click_ms": NOW_MS,
            "last_click_ms": NOW_MS + 5,
            "address": "192.0.2.1",
            "browser": "Mobile Safari",
            "os": "iOS",
            "device": "iPhone",
            "country": "DE",
            "region": "Berlin",
            "city": "",
        }
    ]
    assert who_clicked(warehouse, LINK_1, 10, None) == (expected, None)
    assert list(stream_who_clicked(warehouse, LINK_1)) == [expected]
    assert who_clicked(warehouse, Clickers("other", link=1), 10, None) == ([], None)


def test_who_clicked_a_campaign_and_what_a_person_clicked(warehouse: Warehouse) -> None:
    catalogue = Catalogue(warehouse)
    for number, campaign in ((1, "fall"), (2, "fall"), (3, None)):
        save_link(catalogue, number, campaign)
        codes = [(f"a{number}xx", "+15550101", ""), (f"b{number}xx", "+15550102", "")]
        catalogue.add_codes("acme", number, codes, NOW_MS, token=f"codes{number}")
        clicks = [
            {"code": f"{letter}{number}xx", "link": number, "ts": NOW_MS, "seq": number * 10 + at}
            for at, letter in enumerate("ab"[: 1 + number % 2])
        ]
        insert_clicks(warehouse, clicks, f"clicks{number}")
    fall = Clickers("acme", campaign="fall")
    first, cursor = who_clicked(warehouse, fall, 2, None)
    second, end = who_clicked(warehouse, fall, 2, cursor)
    found = [(row["link_id"], row["recipient"]) for row in first + second]
    assert found == [("lnk_1", "+15550101"), ("lnk_1", "+15550102"), ("lnk_2", "+15550101")]
    assert end is None
    person, _ = who_clicked(warehouse, Clickers("acme", recipient="+15550102"), 10, None)
    assert [row["link_id"] for row in person] == ["lnk_1", "lnk_3"]
    assert who_clicked(warehouse, Clickers("other", recipient="+15550102"), 10, None) == ([], None)


def test_who_clicked_in_pages_while_clicks_come_in(warehouse: Warehouse) -> None:
    save_link(Catalogue(warehouse), 1)
    codes = [(f"c{n:04}", f"+1555{n * 7 % 25:04}", f"r{n}") for n in range(25)]
    Catalogue(warehouse).add_codes("acme", 1, codes, NOW_MS, token="a")
    clicks = [{"code": code, "ts": NOW_MS, "seq": n} for n, (code, _, _) in enumerate(codes)]
    insert_clicks(warehouse, clicks, "b")
    found: list[str] = []
    cursor: str | None = None
    for turn in range(4):
        page, cursor = who_clicked(warehouse, LINK_1, 8, cursor)
        found += [row["code"] for row in page]
        insert_clicks(warehouse, clicks, f"more {turn}")
    assert cursor is None
    assert found == [code for code, _, _ in sorted(codes, key=lambda code: (code[1], code[2]))]


@pytest.mark.parametrize("cursor", ["", "x", "!!", "W10", "WzEsMiwzXQ"])
def test_a_cursor_that_is_none_is_refused(warehouse: Warehouse, cursor: str) -> None:
    with pytest.raises(CursorError):
        who_clicked(warehouse, LINK_1, 8, cursor)


def test_counts_of_30_days(warehouse: Warehouse) -> None:
    inside = int((NOW - timedelta(days=30)).replace(minute=0).timestamp() * 1000)
    catalogue = Catalogue(warehouse)
    catalogue.add_codes("acme", 1, [("aaaa", "+15550101", ""), ("bbbb", "+15550102", "")], inside, token="a")
    catalogue.add_codes("acme", 1, [("cccc", "+15550103", "")], inside - 1, token="b")
    clicks = [
        {"ts": inside, "seq": 1, "verdict": "preview"},
        {"ts": inside - 1, "seq": 2},
        {"ts": NOW_MS, "seq": 3, "link": 2},
        {"ts": NOW_MS, "seq": 4, "tenant": "other"},
    ]
    for click in clicks:
        insert_clicks(warehouse, [click], str(click["seq"]))
    assert counts_30d(warehouse, "acme", [1, 2, 3], NOW) == {1: (2, 1), 2: (0, 1), 3: (0, 0)}
    assert counts_30d(warehouse, "acme", [], NOW) == {}


async def test_who_clicked_over_http_as_pages_and_streams(api: RunningApi) -> None:
    link = await api.make(campaign="fall", name="n")
    path = f"/v1/links/{link['id']}/recipients"
    wanted = {"recipients": [{"recipient": "+447700900123"}, {"recipient": "+447700900124"}]}
    minted = (await api.client.post(path, json=wanted)).json()["data"]
    number = await api.link_store.resolve("", minted[0]["code"])
    clicks = [
        {"tenant": "default", "link": number, "code": one["code"], "ts": NOW_MS, "seq": at, "city": "Leeds"}
        for at, one in enumerate(minted)
    ]
    insert_clicks(api.warehouse, clicks, "clicks")
    page = (await api.client.get(path, params={"limit": 1})).json()
    assert page["data"][0] == {
        "link_id": link["id"],
        "link_name": "n",
        "recipient": "+447700900123",
        "reference": "",
        "code": minted[0]["code"],
        "clicks": 1,
        "first_click_at": "2025-06-15T12:07:00Z",
        "last_click_at": "2025-06-15T12:07:00Z",
        **dict.fromkeys(("address", "browser", "os", "device", "country", "region"), ""),
        "city": "Leeds",
    } | {name: page["data"][0][name] for name in ("address", "browser", "os", "device", "country", "region")}
    second = (await api.client.get(path, params={"cursor": page["next_cursor"]})).json()
    whole = [*page["data"], *second["data"]]
    for other in (path, "/v1/campaigns/fall/recipients"):
        lines = await api.client.get(other, params={"format": "ndjson"})
        assert lines.headers["content-type"] == "application/x-ndjson"
        assert [json.loads(line) for line in lines.text.splitlines()] == whole
    table = await api.client.get(path, params={"format": "csv"})
    assert [row["recipient"] for row in csv.DictReader(io.StringIO(table.text))] == [
        "+447700900123",
        "+447700900124",
    ]
    safe = await api.client.get(path, params={"format": "csv", "spreadsheet": "true"})
    assert safe.content.startswith("\ufefflink_id,link_name,recipient,".encode())
    rows = [*csv.DictReader(io.StringIO(safe.content.decode("utf-8-sig")))]
    assert [row["recipient"] for row in rows] == ["'+447700900123", "'+447700900124"]
    assert [row["clicks"] for row in rows] == [str(each["clicks"]) for each in whole]
    person = await api.client.get("/v1/recipients/%2B447700900124/clicks")
    assert person.json() == {"data": [whole[1]], "next_cursor": None}
    other_tenant = await api.client.get(
        "/v1/recipients/%2B447700900124/clicks", headers={"Authorization": f"Bearer {OTHER_KEY}"}
    )
    assert other_tenant.json() == {"data": [], "next_cursor": None}
