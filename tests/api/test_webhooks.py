"""Webhooks as the API makes them."""

from datetime import datetime

from aggregator.contract import read_clock_ms
from api.app import now_ms
from tests.api.conftest import RunningApi

HOUR_MS = 3_600_000


async def test_a_webhook_listens_from_when_it_was_made_by_the_warehouses_clock(api: RunningApi) -> None:
    api.clock_ms = lambda: now_ms() + HOUR_MS
    before_ms = read_clock_ms(api.warehouse)
    body = {"url": "https://hooks.example.com/", "events": ["link.created"]}
    made = (await api.client.post("/v1/webhooks", json=body)).raise_for_status().json()
    created_ms = round(datetime.fromisoformat(made["created_at"]).timestamp() * 1000)
    assert before_ms <= created_ms <= read_clock_ms(api.warehouse)
