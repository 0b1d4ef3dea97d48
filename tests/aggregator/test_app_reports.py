"""What an app reported and a redirect of the same person are one click, whichever came first to the rows."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from aggregator.app_reports import SAME_CLICK_MS, remove_repeated_reports
from aggregator.contract import read_ledger
from ingest.contract import Warehouse
from tests.fixtures.clicks import insert_clicks

NOW = datetime(2025, 6, 15, 12, 7, tzinfo=UTC)
AT_MS = int(NOW.timestamp() * 1000) - 3_600_000
PERSONAL: dict[str, Any] = {"code": "Personal", "personal": True}
PUBLIC: dict[str, Any] = {"code": "Public", "ip": "192.0.2.7"}


def clicks_of(report: dict[str, Any], redirect: dict[str, Any]) -> list[dict[str, Any]]:
    """A report of source 2 and a redirect of source 1."""
    return [
        {"ts": AT_MS, "source": 2, "seq": 1, "channel": "app", **report},
        {"ts": AT_MS, "source": 1, "seq": 1, "channel": "redirect", **redirect},
    ]


@pytest.mark.parametrize("kind", [PERSONAL, PUBLIC])
@pytest.mark.parametrize("redirect_ms", [0, -SAME_CLICK_MS, 500])
@pytest.mark.parametrize("report_first", [True, False])
def test_the_redirect_stays_alone(
    warehouse: Warehouse, kind: dict[str, Any], redirect_ms: int, *, report_first: bool
) -> None:
    both = clicks_of(kind, {**kind, "ts": AT_MS + redirect_ms})
    for click in both if report_first else reversed(both):
        insert_clicks(warehouse, [click], f"of {click['source']}")
        removed = remove_repeated_reports(warehouse, NOW)
    assert removed == 1
    assert warehouse.query("SELECT source FROM clicks") == [(1,)]
    ledger = read_ledger(warehouse, Path("/nonexistent"))
    assert (ledger.rows, ledger.stored, ledger.reported_twice) == (1, 2, 1)
    assert ledger.is_balanced, ledger.differences
    assert remove_repeated_reports(warehouse, NOW) == 0


@pytest.mark.parametrize(
    ("report", "redirect"),
    [
        (PERSONAL, {**PERSONAL, "code": "Anothers"}),
        (PERSONAL, {**PERSONAL, "link": 2}),
        (PERSONAL, {**PERSONAL, "tenant": "other"}),
        (PERSONAL, {**PERSONAL, "verdict": "preview"}),
        (PERSONAL, {**PERSONAL, "channel": "app"}),
        (PERSONAL, {**PERSONAL, "ts": AT_MS - SAME_CLICK_MS - 1}),
        (PERSONAL, {**PERSONAL, "ts": AT_MS + 5_000}),
        (PUBLIC, {**PUBLIC, "ip": "192.0.2.8"}),
        ({**PUBLIC, "ip": ""}, {**PUBLIC, "ip": ""}),
        ({**PUBLIC, "ip": "192.0.2.0"}, {**PUBLIC, "ip": "192.0.2.0"}),
        ({**PUBLIC, "ip": "2001:db8::"}, {**PUBLIC, "ip": "2001:db8::"}),
    ],
)
def test_what_is_not_the_same_persons_click_stays(
    warehouse: Warehouse, report: dict[str, Any], redirect: dict[str, Any]
) -> None:
    insert_clicks(warehouse, clicks_of(report, redirect), "both")
    assert remove_repeated_reports(warehouse, NOW) == 0
    assert warehouse.query("SELECT count() FROM clicks") == [(2,)]
