"""Explaining a click: the edge's decision and ingest's row, without a trace."""

from pathlib import Path
from typing import Any

import pytest

from api.auth import DEFAULT_TENANT
from ingest.enrich.rules import RULES_VERSION
from tests.api.conftest import DOMAIN, RunningApi
from tests.ingest.click_events import IPHONE

ANDROID = (
    "Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 "
    "Mobile Safari/537.36"
)
FIELDS = {
    "destination_url": "https://www.example.com/",
    "device_routes": {"ios": "https://apps.example.com/ios"},
}


async def explain(api: RunningApi, link: dict[str, Any], **fields: Any) -> Any:
    click = {"user_agent": IPHONE, "ip": "198.51.100.7", **fields}
    return await api.client.post(f"/v1/links/{link['id']}/explain", json=click)


async def test_a_person_s_click_is_told_whole(api: RunningApi) -> None:
    link = await api.make(**FIELDS)
    answer = await explain(
        api, link, headers={"Referer": "https://example.com/x"}, at="2026-11-22T10:00:00.250Z"
    )
    assert answer.status_code == 200, answer.text
    explained = answer.json()
    columns = explained.pop("columns")
    assert explained == {
        "verdict": "human",
        "rule": "browser",
        "rules_version": RULES_VERSION,
        "route": "ios",
        "outcome": "redirected",
        "destination": "https://apps.example.com/ios",
        "event": {
            "v": 1,
            "source": 1,
            "seq": 1,
            "ts": 1795341600250,
            "host": DOMAIN,
            "code": link["code"],
            "link": columns["link"],
            "tenant": DEFAULT_TENANT,
            "personal": False,
            "method": "GET",
            "route": "ios",
            "outcome": "redirected",
            "ip": "198.51.100.7",
            "ua": IPHONE,
            "referer": "https://example.com/x",
            "language": "",
            "signals": {},
        },
    }
    assert columns["browser"] == "Mobile Safari"
    assert columns["referrer"] == "example.com"
    assert "visitor" not in columns  # ingest has made no key yet


VERDICTS: list[tuple[dict[str, Any], str, str]] = [
    ({"user_agent": "WhatsApp/2.24.20.89 A"}, "preview", "preview: WhatsApp"),
    ({"headers": {"Sec-Purpose": "prefetch"}}, "preview", "prefetch header"),
    ({"method": "HEAD"}, "automated", "method is not GET"),
    ({"user_agent": ""}, "automated", "no user agent"),
    ({"user_agent": "curl/8.5.0"}, "automated", "HTTP library"),
    ({"user_agent": ANDROID}, "human", "Android browser"),
]


async def test_verdicts(api: RunningApi, subtests: pytest.Subtests) -> None:
    link = await api.make()
    for fields, verdict, rule in VERDICTS:
        with subtests.test(**fields):
            explained = (await explain(api, link, **fields)).json()
            assert (explained["verdict"], explained["rule"]) == (verdict, rule)


async def test_routes_and_outcomes(api: RunningApi) -> None:
    link = await api.make(**FIELDS, expires_at="2030-01-01T00:00:00Z", expired_url="https://example.com/over")
    ios = (await explain(api, link)).json()
    assert (ios["route"], ios["destination"]) == ("ios", "https://apps.example.com/ios")
    other = (await explain(api, link, user_agent=ANDROID)).json()
    assert (other["route"], other["destination"]) == ("default", "https://www.example.com/")
    hinted = (await explain(api, link, user_agent=ANDROID, headers={"sec-ch-ua-platform": '"iOS"'})).json()
    assert hinted["route"] == "ios"
    over = (await explain(api, link, at="2031-01-01T00:00:00Z")).json()
    assert (over["route"], over["outcome"]) == ("expired", "redirected")
    assert over["destination"] == "https://example.com/over"
    gone = (
        await explain(api, await api.make(expires_at="2030-01-01T00:00:00Z"), at="2031-01-01T00:00:00Z")
    ).json()
    assert (gone["outcome"], gone["destination"], gone["event"]["outcome"]) == ("gone", None, "gone")


async def test_a_disabled_link_would_write_nothing(api: RunningApi) -> None:
    link = await api.make()
    await api.client.patch(f"/v1/links/{link['id']}", json={"status": "disabled"})
    explained = (await explain(api, link)).json()
    assert (explained["outcome"], explained["verdict"]) == ("not_found", "human")
    assert explained["destination"] is explained["event"] is explained["columns"] is None


async def test_the_visitor_is_ingest_s_own_once_there_is_a_key(api: RunningApi) -> None:
    link = await api.make()
    assert "visitor" not in (await explain(api, link)).json()["columns"]
    key = Path(api.settings.data_dir) / "visitor.key"
    assert not key.exists()
    key.write_bytes(b"k" * 32)
    first, again, other = [
        (await explain(api, link, ip=ip)).json()["columns"]["visitor"]
        for ip in ("198.51.100.7", "::ffff:198.51.100.7", "198.51.100.8")
    ]
    assert first == again != other
    assert first.isdecimal()


async def test_nothing_is_written(api: RunningApi) -> None:
    link = await api.make()
    before = sorted(str(path) for path in api.settings.data_dir.rglob("*"))
    await explain(api, link)
    assert sorted(str(path) for path in api.settings.data_dir.rglob("*")) == before
    assert api.warehouse.query("SELECT count() FROM clicks") == [(0,)]


BAD_FIELDS: list[tuple[dict[str, Any], str]] = [
    ({"user_agent": None}, "#/user_agent"),
    ({"user_agent": "a" * 2049}, "#/user_agent"),
    ({"user_agent": "a\r\nb"}, "#/user_agent"),
    ({"ip": "198.51.100.256"}, "#/ip"),
    ({"ip": 5}, "#/ip"),
    ({"ip": "fe80::1%" + "é" * 5}, "#/ip"),
    ({"method": "POST"}, "#/method"),
    ({"headers": []}, "#/headers"),
    ({"headers": {"referer": 5}}, "#/headers/referer"),
    ({"headers": {"Referer": "a", "referer": "b"}}, "#/headers"),
    ({"headers": {"User-Agent": "x"}}, "#/headers"),
    ({"headers": {f"x-{number}": "" for number in range(101)}}, "#/headers"),
    ({"at": "yesterday"}, "#/at"),
    ({"at": 1795341600}, "#/at"),
    ({"at": "1970-01-01T00:00:00Z"}, "#/at"),
    ({"at": "2199-01-01T00:00:00Z"}, "#/at"),
    ({"code": "n.o"}, "#/code"),
]


async def test_bad_input(api: RunningApi, subtests: pytest.Subtests) -> None:
    link = await api.make()
    for fields, pointer in BAD_FIELDS:
        with subtests.test(pointer=pointer, fields=str(fields)[:60]):
            answer = await explain(api, link, **fields)
            assert answer.status_code == 422, answer.text
            assert pointer in [error["pointer"] for error in answer.json()["errors"]]


async def test_another_tenant_s_link_is_not_there(api: RunningApi) -> None:
    link = await api.make()
    answer = await api.client.post(
        f"/v1/links/{link['id']}/explain",
        json={"user_agent": "", "ip": "198.51.100.7"},
        headers={"Authorization": "Bearer another-tenants-key-01"},
    )
    assert answer.status_code == 404


async def test_a_personal_code_is_its_recipient_s(api: RunningApi) -> None:
    link = await api.make(code="Penhgy")
    body = {"user_agent": "WhatsApp/2.24.20.89 A", "ip": "198.51.100.7"}
    own = (await api.client.post(f"/v1/links/{link['id']}/explain", json=body)).json()
    theirs = (
        await api.client.post(f"/v1/links/{link['id']}/explain", json={**body, "code": "Abcd1234"})
    ).json()
    assert (own["event"]["code"], own["event"]["personal"]) == ("Penhgy", False)
    assert (theirs["event"]["code"], theirs["event"]["personal"]) == ("Abcd1234", True)
    assert own["verdict"] == theirs["verdict"] == "preview"
