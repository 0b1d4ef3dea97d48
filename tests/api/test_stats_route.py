"""The report routes: parameters in, the contract's shape out."""

from datetime import datetime

import pytest

from tests.api.conftest import RunningApi

NOON_MS = 1_781_524_800_000  # 2026-06-15T12:00:00Z
COUNTS = {
    "total_clicks",
    "human_clicks",
    "unique_clicks",
    "repeat_clicks",
    "bot_clicks",
    "preview_clicks",
    "automated_clicks",
}


async def test_stats_have_the_contracts_shape(api: RunningApi) -> None:
    api.clock_ms = lambda: NOON_MS  # around a change of clocks they may touch 30 days or 32
    link = await api.make()
    for path in (f"/v1/links/{link['id']}/stats", "/v1/stats"):
        answer = await api.client.get(path, params={"by": "country,os", "timezone": "Europe/London"})
        assert answer.status_code == 200, answer.text
        report = answer.json()
        assert set(report) == {
            *("totals", "series", "breakdowns", "unique_is_estimate", "as_of", "notes", "previous")
        }
        assert set(report["totals"]) == COUNTS
        assert all(set(bucket) == COUNTS | {"start"} for bucket in report["series"])
        assert report["breakdowns"] == {"country": [], "os": []}
        assert len(report["series"]) == 31, "the last 30 days touch 31 days"


async def test_the_range_and_the_zone_are_kept_to(api: RunningApi) -> None:
    link = await api.make()
    answer = await api.client.get(
        f"/v1/links/{link['id']}/stats",
        params={
            "from": "2026-03-28T00:00:00Z",
            "to": "2026-03-31T00:00:00+01:00",
            "interval": "day",
            "timezone": "Europe/London",
            "exclude_bots": "true",
        },
    )
    starts = [bucket["start"] for bucket in answer.json()["series"]]
    assert starts == ["2026-03-28T00:00:00Z", "2026-03-29T00:00:00Z", "2026-03-30T00:00:00+01:00"]
    assert all(datetime.fromisoformat(start).tzinfo for start in starts)


BAD = [
    ("from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z", "from"),
    ("from=2026-01-01T00:00:00Z&to=2026-01-01T00:00:00Z", "from"),
    ("from=2026-01-01", "from"),
    ("from=2026-01-01T00:00:00", "from"),
    ("to=0001-01-01T00:00:00Z", "to"),
    ("to=1970-01-10T00:00:00Z&interval=hour&from=1969-01-01T00:00:00Z", "from"),
    ("from=1970-01-01T00:00:00Z&interval=hour", "from"),
    ("to=1970-01-02T00:00:00Z", "from"),
    ("interval=year", "interval"),
    ("timezone=Mars/Olympus", "timezone"),
    ("timezone=../../etc/passwd", "timezone"),
    ("timezone=%00", "timezone"),
    ("exclude_bots=perhaps", "exclude_bots"),
    ("by=country,colour", "by"),
    ("by=country,,os", "by"),
    ("range=tomorrow", "range"),
    ("range=today&from=2026-01-01T00:00:00Z", "range"),
    ("compare=last_year", "compare"),
]


async def test_parameters_that_do_not_fit_are_named(api: RunningApi, subtests: pytest.Subtests) -> None:
    link = await api.make()
    for query, parameter in BAD:
        with subtests.test(query=query):
            answer = await api.client.get(f"/v1/links/{link['id']}/stats?{query}")
            assert answer.status_code == 422, answer.text
            assert answer.headers["content-type"] == "application/problem+json"
            assert [flaw["parameter"] for flaw in answer.json()["errors"]] == [parameter]


async def test_who_clicked_is_empty_before_anyone_did(api: RunningApi) -> None:
    link = await api.make()
    path = f"/v1/links/{link['id']}/recipients"
    await api.client.post(path, json={"recipients": [{"recipient": "alice"}]})
    assert (await api.client.get(path)).json() == {"data": [], "next_cursor": None}
    bad = await api.client.get(path, params={"cursor": "nonsense"})
    assert (bad.status_code, bad.json()["errors"][0]["parameter"]) == (422, "cursor")
    assert (await api.client.get("/v1/links/lnk_none/recipients")).status_code == 404
