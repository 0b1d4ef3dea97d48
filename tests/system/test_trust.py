"""From click to row: previews beside people, and how much is kept of addresses."""

from tests.fixtures.system import System, stored_clicks
from tests.system.test_whole_way import IPHONE, click, make_link, totals_when

IMESSAGE = (
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_11_1) AppleWebKit/601.2.4 (KHTML, like Gecko) "
    "Version/9.0.1 Safari/601.2.4 facebookexternalhit/1.1 Facebot Twitterbot/1.0"
)
ADDRESS = "198.51.100.77"


def test_a_preview_from_the_person_s_own_address_and_an_address_that_is_not_kept(system: System) -> None:
    with system.api as api:
        link = make_link(api)
        minted = api.post(
            f"/v1/links/{link['id']}/recipients", json={"recipients": [{"recipient": "+447700900123"}]}
        )
        codes = (link["code"], minted.json()["data"][0]["code"])
        for code in codes:
            for user_agent in (IMESSAGE, IMESSAGE, IPHONE, IPHONE):
                assert click(system, f"/{code}", user_agent, ADDRESS)[0] == 302
        totals = totals_when(api, link["id"], 8)["totals"]
        assert (totals["preview_clicks"], totals["human_clicks"]) == (4, 4)
        assert (totals["unique_clicks"], totals["repeat_clicks"]) == (2, 2)

        chosen = api.patch("/v1/tenants/default", json={"address_privacy": "none"})
        assert chosen.status_code == 200, chosen.text
        for _ in range(2):
            click(system, f"/{codes[0]}", IPHONE, ADDRESS)
        assert totals_when(api, link["id"], 10)["totals"]["unique_clicks"] == 3
    system.stop()
    rows = stored_clicks(system.data_dir, "SELECT ip, count() FROM clicks GROUP BY ip ORDER BY ip")
    assert rows == [["", 2], [ADDRESS, 8]]
    kept = [path for path in system.data_dir.rglob("*.spool") if ADDRESS.encode() in path.read_bytes()]
    assert kept == []
