"""Timing rules: what no person does is found, what people do at the same pace is not."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from aggregator.reclassify.timing import (
    AFTER_MINT,
    AFTER_MINT_FROM_HOSTING,
    BURST_FROM_HOSTING,
    BURST_ON_CODE,
)
from aggregator.reclassify.worker import SETTLED, judge_timing
from ingest.contract import Catalogue, Warehouse
from tests.fixtures.clicks import insert_clicks
from tests.ingest.click_events import IPHONE, NOON_MS

NOW = datetime.fromtimestamp(NOON_MS / 1000, UTC) + timedelta(hours=1)


def click(after_ms: int, **fields: Any) -> dict[str, Any]:
    return {
        "ts": NOON_MS + after_ms,
        "ingested_at": NOON_MS + after_ms + 500,
        "user_agent": IPHONE,
        "rule": "browser",
        "network_kind": "mobile",
        "channel": "redirect",
        "ip": "198.51.100.7",
        "code": "Penhgy12",
        **fields,
    }


def judged(warehouse: Warehouse, clicks: Iterable[dict[str, Any]], now: datetime = NOW) -> list[str]:
    """The rule of each click, after a pass."""
    numbered = [{**each, "seq": seq} for seq, each in enumerate(clicks, start=1)]
    insert_clicks(warehouse, numbered, "clicks")
    judge_timing(warehouse, now)
    rows = warehouse.query("SELECT rule, verdict FROM clicks ORDER BY seq")
    assert all((verdict == "automated") == rule.startswith("timing") for rule, verdict in rows)
    return [rule for rule, _ in rows]


def test_seconds_after_the_mint(warehouse: Warehouse) -> None:
    expected = [
        (0, "mobile", AFTER_MINT),
        (1_999, "mobile", AFTER_MINT),
        (-900, "other", AFTER_MINT),  # the api's clock ahead of the edge's
        (2_000, "mobile", "browser"),
        (2_000, "hosting", AFTER_MINT_FROM_HOSTING),
        (4_999, "hosting", AFTER_MINT_FROM_HOSTING),
        (5_000, "hosting", "browser"),
        (-60_000, "other", "browser"),  # imported
    ]
    codes = [(f"Code{at:04}", f"+44770090012{at}", "") for at in range(len(expected))]
    Catalogue(warehouse).add_codes("acme", 1, codes, NOON_MS, token="mint")
    clicks = [
        click(after_ms, personal=personal, code=code, network_kind=kind)
        for (code, _, _), (after_ms, kind, _) in zip(codes, expected, strict=True)
        for personal in (True, False)
    ]
    rules = judged(warehouse, clicks)
    assert rules[::2] == [rule for _, _, rule in expected]
    assert set(rules[1::2]) == {"browser"}


def test_a_burst_on_a_personal_code(warehouse: Warehouse) -> None:
    burst = [click(1_000 * at, personal=True) for at in range(10)]
    slow = [click(1_200 * at, personal=True, code="Slow1234") for at in range(10)]
    later = [click(60_000, personal=True)]
    shared = [click(100 * at, code="Viral123") for at in range(300)]  # behind a carrier's NAT
    people = [click(100 * at, personal=True, code=f"Code{at:04}") for at in range(300)]
    rules = judged(warehouse, [*burst, *slow, *later, *shared, *people])
    assert rules == [BURST_ON_CODE] * 10 + ["browser"] * 611


def test_a_burst_from_a_hosting_address(warehouse: Warehouse) -> None:
    def hosted(ip: str, every_ms: int, **fields: Any) -> list[dict[str, Any]]:
        return [
            click(
                every_ms * at,
                ip=ip,
                personal=True,
                code=f"Code{at:04}",
                **{"network_kind": "hosting", **fields},
            )
            for at in range(20)
        ]

    clicks = [
        *hosted("203.0.113.9", 3_000),
        *hosted("203.0.113.10", 3_200),  # slower
        *hosted("203.0.113.0", 1_000),  # only a network is kept
        *hosted("", 1_000),
        *hosted("203.0.113.11", 1_000, network_kind="relay"),
        *hosted("203.0.113.12", 1_000, channel="app"),
    ]
    assert judged(warehouse, clicks) == [BURST_FROM_HOSTING] * 20 + ["browser"] * 100


def test_clicks_that_come_late_complete_a_burst_over_the_hour(warehouse: Warehouse) -> None:
    hour_ms = -(-NOON_MS // 3_600_000) * 3_600_000 - NOON_MS
    times = [hour_ms + 500 * at for at in range(-5, 5)]
    early = [click(after, personal=True, seq=at) for at, after in enumerate(times[:7])]
    insert_clicks(warehouse, early, "early")
    now = NOW + timedelta(hours=1)
    assert judge_timing(warehouse, now) == 0
    late_ms = int(now.timestamp() * 1000)
    late = [
        click(after, personal=True, seq=at, ingested_at=late_ms)
        for at, after in enumerate(times[7:], start=7)
    ]
    insert_clicks(warehouse, late, "late")
    assert judge_timing(warehouse, now + timedelta(minutes=1)) == 0  # not settled yet
    assert judge_timing(warehouse, now + SETTLED) == 10
    assert judge_timing(warehouse, now + timedelta(hours=1)) == 0


def test_what_rules_took_for_no_person_keeps_their_name(warehouse: Warehouse) -> None:
    clicks = [
        click(100 * at, personal=True, verdict="automated", rule="timing: as it was") for at in range(10)
    ]
    assert set(judged(warehouse, clicks)) == {"timing: as it was"}
