"""Clicks that apps report, in the vendor's words: counted like any other, and not twice."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from edge.contract import cut_records
from ingest.decode import Click, decode
from tests.api.conftest import DOMAIN, OTHER_KEY, RunningApi
from tests.fixtures.clicks import insert_clicks

PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148"
DAY_MS = 24 * 3600 * 1000


@pytest.fixture(autouse=True)
def not_held(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is on its way to the warehouse here but what a test says."""
    monkeypatch.setattr("api.app_clicks.service.HELD_S", 0.0)


async def report(api: RunningApi, body: object, **kwargs: Any) -> httpx.Response:
    return await api.client.post("/v1/clicks", json=body, **kwargs)


async def mint(api: RunningApi, link: dict[str, Any], recipient: str = "+447700900123") -> str:
    answer = await api.client.post(
        f"/v1/links/{link['id']}/recipients", json={"recipients": [{"recipient": recipient}]}
    )
    short_url: str = answer.json()["data"][0]["short_url"]
    return short_url


def spooled(api: RunningApi) -> list[Click]:
    """What is in the api's spool, as ingest reads it."""
    return list(_read(api.settings.spool_dir))


def _read(folder: Path) -> Iterator[Click]:
    for segment in sorted(folder.glob("[0-9]*/*.log")):
        for record, _ in cut_records(segment.read_bytes(), finished=True).records:
            yield decode(record)


async def test_a_click_becomes_a_click_event_of_channel_app(api: RunningApi) -> None:
    link = await api.make(code="Spring26", device_routes={"ios": "https://apps.example.com/ios"})
    answer = await report(
        api, {"short-url": link["short_url"], "user-agent": PHONE, "ip-address": "::ffff:192.0.2.1"}
    )
    assert (answer.status_code, list(answer.json())) == (200, ["transaction-id"])
    (click,) = spooled(api)
    assert (click.headers.channel, click.route) == ("app", "ios")
    assert (click.code, click.personal) == ("Spring26", False)
    assert (click.ip, click.headers.user_agent, click.outcome) == ("192.0.2.1", PHONE, "redirected")
    assert answer.json()["transaction-id"] == f"{click.source:x}-{click.seq:x}"


async def test_a_recipients_code_counts_once_within_ten_minutes(api: RunningApi) -> None:
    link = await api.make()
    short_url = await mint(api, link)
    number = api.warehouse.query("SELECT number FROM links WHERE id = {id:String}", {"id": link["id"]})[0][0]
    redirect = {
        "tenant": "default",
        "link": number,
        "code": short_url.rpartition("/")[2],
        "personal": True,
        "seq": 7,
        "source": 255,
    }
    now_ms = api.clock_ms()
    insert_clicks(api.warehouse, [{**redirect, "ts": now_ms - 11 * 60_000}], "long ago")
    assert list((await report(api, {"short-url": short_url})).json()) == ["transaction-id"]
    insert_clicks(api.warehouse, [{**redirect, "seq": 8, "ts": now_ms - 60_000}], "just now")
    again = await report(api, {"short-url": short_url})
    assert (again.status_code, again.json()["code"]) == (200, 1010)
    assert "ff-8" in again.json()["description"]
    insert_clicks(api.warehouse, [{**redirect, "ts": now_ms, "verdict": "preview"}], "a preview is no click")
    assert len(spooled(api)) == 1


async def test_a_report_that_comes_again_before_it_is_stored_counts_once(api: RunningApi) -> None:
    short_url = await mint(api, await api.make())
    first, again = [(await report(api, {"short-url": short_url})).json() for _ in range(2)]
    assert again["code"] == 1010
    assert first["transaction-id"] in again["description"]
    now_ms = api.clock_ms()
    api.clock_ms = lambda: now_ms + 61_000  # and it never came to the warehouse
    assert list((await report(api, {"short-url": short_url})).json()) == ["transaction-id"]
    assert len(spooled(api)) == 2


async def test_a_redirect_of_the_same_moment_is_seen(
    api: RunningApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = await api.make()
    short_url = await mint(api, link)
    number = api.warehouse.query("SELECT number FROM links WHERE id = {id:String}", {"id": link["id"]})[0][0]
    code = short_url.rpartition("/")[2]
    redirect = {"tenant": "default", "link": number, "code": code, "personal": True, "ts": api.clock_ms()}

    async def hold() -> None:
        insert_clicks(api.warehouse, [redirect], "it arrives")

    monkeypatch.setattr("api.app_clicks.service.hold", hold)
    assert (await report(api, {"short-url": short_url})).json()["code"] == 1010
    assert spooled(api) == []


async def test_a_links_own_code_is_told_apart_by_address(api: RunningApi) -> None:
    link = await api.make()
    one = {"short-url": link["short_url"], "ip-address": "192.0.2.1"}
    other = {"short-url": link["short_url"], "ip-address": "192.0.2.2"}
    unknown = {"short-url": link["short_url"]}
    answers = (await report(api, [one, one, other, unknown, unknown])).json()
    assert [answer.get("code") for answer in answers] == [None, 1010, None, None, None]
    assert len(spooled(api)) == 4


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 400, 1001),
        ({"short-url": ""}, 400, 1001),
        ({"short-url": None, "user-agent": "x"}, 400, 1001),
        ({"short-url": 7}, 400, 1002),
        ({"short-url": "ftp://s.example.com/abcd"}, 400, 1002),
        ({"short-url": "https://s.example.com/"}, 400, 1002),
        ({"short-url": f"https://{DOMAIN}/abcd", "ip-address": "300.1.1.1"}, 400, 1002),
        ({"short-url": f"https://{DOMAIN}/abcd", "user-agent": "x" * 3000}, 400, 1002),
        ({"short-url": f"https://{DOMAIN}/abcd", "more": 1}, 400, 1002),
        ({"short-url": f"https://{DOMAIN}/Nowhere1"}, 404, 1003),
        ({"short-url": "https://elsewhere.example.com/Nowhere1"}, 404, 1003),
        ([], 400, 1002),
        ("text", 400, 1002),
    ],
)
async def test_what_does_not_fit_has_the_vendors_code(
    api: RunningApi, body: object, status: int, code: int
) -> None:
    answer = await report(api, body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert set(answer.json()) == {"code", "description"}
    assert spooled(api) == []


async def test_errors_before_the_route_have_the_vendors_shape(api: RunningApi) -> None:
    url = f"{api.url}/v1/clicks"
    async with httpx.AsyncClient(timeout=180) as anonymous:
        without = await anonymous.post(url, json={"short-url": "x"})
        wrong = await anonymous.post(url, json={"short-url": "x"}, headers={"Key": "nonsense"})
        method = await anonymous.put(url, json={}, headers=dict(api.client.headers))
        broken = await anonymous.post(
            url, content=b"{", headers={**api.client.headers, "Content-Type": "application/json"}
        )
    assert [(answer.status_code, answer.json()["code"]) for answer in (without, wrong, method, broken)] == [
        (401, 430),
        (401, 430),
        (405, 405),
        (400, 1002),
    ]


async def test_links_that_are_gone_disabled_or_anothers_are_unknown(api: RunningApi) -> None:
    gone, disabled, anothers = [await api.make() for _ in range(3)]
    await api.client.delete(f"/v1/links/{gone['id']}")
    await api.client.patch(f"/v1/links/{disabled['id']}", json={"status": "disabled"})
    for link in (gone, disabled):
        answer = await report(api, {"short-url": link["short_url"]})
        assert (answer.status_code, answer.json()["code"]) == (404, 1003)
    answer = await report(
        api, {"short-url": anothers["short_url"]}, headers={"Authorization": f"Bearer {OTHER_KEY}"}
    )
    assert (answer.status_code, answer.json()["code"]) == (404, 1003)


async def test_codes_older_than_clicks_are_kept_are_unknown(api: RunningApi) -> None:
    short_url = await mint(api, await api.make())
    later_ms = api.clock_ms() + (api.settings.retention_days + 1) * DAY_MS
    api.clock_ms = lambda: later_ms
    answer = await report(api, {"short-url": short_url})
    assert (answer.status_code, answer.json()["code"]) == (404, 1003)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
clicks = st.fixed_dictionaries(
    {}, optional={"short-url": json_values, "user-agent": json_values, "ip-address": json_values}
)


@hypothesis_settings(max_examples=60)
@given(body=json_values | clicks | st.lists(clicks, max_size=3))
async def test_any_json_is_answered(api: RunningApi, body: object) -> None:
    answer = await api.client.post(
        "/v1/clicks", content=json.dumps(body), headers={"Content-Type": "application/json"}
    )
    assert answer.status_code in {200, 400, 404}
