"""`/v1/reclassifications`: asked for over the API, carried out by the aggregator's worker."""

from datetime import UTC, datetime

from aggregator.reclassify import ReclassificationWorker
from tests.api.conftest import RunningApi
from tests.fixtures.clicks import insert_clicks
from tests.ingest.click_events import NOON_MS

BOT = "Mozilla/5.0 (compatible; Qwzxbot/1.0; +https://qwzx.example.com)"


async def test_the_difference_is_told_then_made(api: RunningApi) -> None:
    click = {"ts": NOON_MS, "user_agent": BOT, "rule": "old", "method": "GET", "signals": "{}"}
    insert_clicks(api.warehouse, [{**click, "seq": seq} for seq in (1, 2)], "clicks")
    worker = ReclassificationWorker(api.warehouse, lambda: False)
    for dry_run in (True, False):
        asked = await api.client.post(
            "/v1/reclassifications", json={"since": "2026-09-01T00:00:00Z", "dry_run": dry_run}
        )
        assert asked.status_code == 202, asked.text
        assert asked.json()["state"] == "waiting"
        worker.run_once(datetime.now(UTC))
        done = (await api.client.get(f"/v1/reclassifications/{asked.json()['id']}")).json()
        assert (done["state"], done["changed"], done["judged"]) == ("done", 2, 2)
        assert done["changes"] == [
            {
                "verdict_before": "human",
                "rule_before": "old",
                "verdict": "automated",
                "rule": "gives an address",
                "clicks": 2,
            }
        ]
        verdict = "human" if dry_run else "automated"
        assert api.warehouse.query("SELECT DISTINCT verdict FROM clicks") == [(verdict,)]
    listed = (await api.client.get("/v1/reclassifications")).json()["data"]
    assert [each["dry_run"] for each in listed] == [True, False]


async def test_bad_requests_are_refused_with_advice(api: RunningApi) -> None:
    answer = await api.client.post("/v1/reclassifications", json={"since": "yesterday"})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "#/since"
    assert (await api.client.get("/v1/reclassifications/rec_none")).status_code == 404
