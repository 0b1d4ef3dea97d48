"""The way of a click, by hand: made, routed, judged, counted, kept over a restart, erased."""

import http.client
from collections.abc import Callable, Mapping
from typing import Any

import httpx

from tests.fixtures.system import System, stored_clicks, wait_until

IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 "
    "(KHTML, like Gecko) Version/18.6 Mobile/15E148 Safari/604.1"
)
ANDROID = (
    "Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 "
    "(KHTML, like Gecko) Chrome/142.0.0.0 Mobile Safari/537.36"
)
DESKTOP = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 "
    "(KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36"
)
WHATSAPP = "WhatsApp/2.23.20.0"
GOOGLEBOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"

SHOP = "https://shop.example.com/spring"
APP_STORE = "https://apps.example.com/ios"
PLAY_STORE = "https://apps.example.com/android"


def click(
    system: System, path: str, user_agent: str, address: str = "192.0.2.7", method: str = "GET"
) -> tuple[int, str | None]:
    """One request to the public port: status and Location."""
    connection = http.client.HTTPConnection("127.0.0.1", system.edge_port, timeout=120)
    headers = {"User-Agent": user_agent, "X-Forwarded-For": address, "Host": f"localhost:{system.edge_port}"}
    connection.request(method, path, headers=headers)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status, answer.headers.get("Location")


def make_link(api: httpx.Client, **fields: object) -> dict[str, Any]:
    answer = api.post("/v1/links", json={"destination_url": SHOP, **fields})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def totals_when(
    api: httpx.Client, link_id: str, expected_clicks: int, **parameters: object
) -> Mapping[str, Any]:
    """The link's report once it holds as many clicks as expected."""

    def probe() -> Mapping[str, Any] | None:
        answer = api.get(f"/v1/links/{link_id}/stats", params=parameters)
        assert answer.status_code == 200, answer.text
        report: Mapping[str, Any] = answer.json()
        return report if report["totals"]["total_clicks"] >= expected_clicks else None

    return wait_until(f"{expected_clicks} clicks in the report", probe)


def by_key(report: Mapping[str, Any], dimension: str) -> dict[str, int]:
    return {row["key"]: row["clicks"] for row in report["breakdowns"][dimension]}


def test_a_click_lands_is_judged_counted_kept_and_erased(new_system: Callable[..., System]) -> None:
    system = new_system()
    system.start()
    with system.api as api:
        link = make_link(
            api,
            name="Spring sale",
            code="Spring26",
            suffix="shop",
            device_routes={"ios": APP_STORE, "android": PLAY_STORE},
        )
        assert link["short_url"] == f"http://localhost:{system.edge_port}/shop/Spring26"
        path = "/shop/Spring26"
        assert click(system, path, IPHONE) == (302, APP_STORE)
        assert click(system, path, IPHONE) == (302, APP_STORE)  # the same person again
        assert click(system, path, ANDROID, "198.51.100.9") == (302, PLAY_STORE)
        assert click(system, path, DESKTOP, "203.0.113.5") == (302, SHOP)
        assert click(system, path, WHATSAPP, "203.0.113.6") == (302, SHOP)
        assert click(system, path, GOOGLEBOT, "203.0.113.7") == (302, SHOP)
        assert click(system, path, DESKTOP, "203.0.113.8", "HEAD") == (302, SHOP)
        assert click(system, "/Spring26", IPHONE)[0] == 404  # the suffix is part of it
        assert click(system, "/other/Spring26", IPHONE)[0] == 404

        report = totals_when(api, link["id"], 7, by="route,verdict,os,platform,browser")
        assert report["totals"] == {
            "total_clicks": 7,
            "human_clicks": 4,
            "unique_clicks": 3,
            "repeat_clicks": 1,
            "bot_clicks": 3,
            "preview_clicks": 1,
            "automated_clicks": 2,
        }
        assert by_key(report, "verdict") == {"human": 4, "preview": 1, "automated": 2}
        assert by_key(report, "route") == {"ios": 2, "android": 1, "default": 4}
        assert by_key(report, "os")["iOS"] == 2
        assert sum(row["total_clicks"] for row in report["series"]) == 7

        minted = api.post(
            f"/v1/links/{link['id']}/recipients",
            json={"recipients": [{"recipient": "+41790000001"}, {"recipient": "+41790000002"}]},
        ).json()
        rows = minted["recipients"] if "recipients" in minted else minted["data"]
        personal = rows[0]["short_url"].removeprefix(f"http://localhost:{system.edge_port}")
        assert click(system, personal, IPHONE) == (302, APP_STORE)
        assert click(system, personal, DESKTOP, "203.0.113.9") == (302, SHOP)  # two devices, one person
        report = totals_when(api, link["id"], 9)
        assert (report["totals"]["unique_clicks"], report["totals"]["repeat_clicks"]) == (4, 2)
        who = api.get(f"/v1/links/{link['id']}/recipients").json()["data"]
        assert {row["recipient"]: row["clicks"] for row in who}["+41790000001"] == 2

    assert system.stop() == 0
    orphans = "SELECT code, link, tenant, route, verdict FROM clicks WHERE outcome = 'not_found'"
    assert stored_clicks(system.data_dir, orphans) == [["Spring26", 0, "", "none", "human"]] * 2
    system.start()
    with system.api as api:
        assert totals_when(api, link["id"], 9)["totals"]["total_clicks"] == 9
        assert click(system, path, ANDROID, "198.51.100.9") == (302, PLAY_STORE)
        assert click(system, personal, IPHONE) == (302, APP_STORE)
        report = totals_when(api, link["id"], 11)
        assert (report["totals"]["unique_clicks"], report["totals"]["repeat_clicks"]) == (4, 4)

        assert api.delete(f"/v1/links/{link['id']}").status_code == 204
        wait_until("the redirect is gone", lambda: click(system, path, IPHONE)[0] == 404)
        wait_until("the recipient's too", lambda: click(system, personal, IPHONE)[0] == 404)
        assert api.get(f"/v1/links/{link['id']}").status_code == 404
        assert api.get(f"/v1/links/{link['id']}/stats").status_code == 404
        assert api.get("/v1/links").json()["data"] == []


def test_changes_reach_every_worker(system: System) -> None:
    with system.api as api:
        link = make_link(api, code="Change1")
        for _ in range(20):  # enough connections to have met both workers
            assert click(system, "/Change1", DESKTOP) == (302, SHOP)
        changed = "https://shop.example.com/summer"
        answer = api.patch(f"/v1/links/{link['id']}", json={"destination_url": changed})
        assert answer.status_code == 200, answer.text
        wait_until(
            "the new destination everywhere",
            lambda: {click(system, "/Change1", DESKTOP) for _ in range(20)} == {(302, changed)},
        )
        answer = api.patch(f"/v1/links/{link['id']}", json={"device_routes": {"ios": APP_STORE}})
        assert answer.json()["device_routing"] is True
        wait_until(
            "the new route everywhere",
            lambda: {click(system, "/Change1", IPHONE) for _ in range(20)} == {(302, APP_STORE)},
        )
