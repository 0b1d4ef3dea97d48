"""A domain that has all of its tenant's clicks gets the tenant's windows, which are those of its own rows."""

import random
from datetime import UTC, datetime
from typing import Any

import pytest

from aggregator.rollups import refresh
from aggregator.rollups.compute import compute
from aggregator.rollups.windows import DAY_S, HOUR_S, QUARTER_S, Window
from ingest.contract import Warehouse
from tests.fixtures.clicks import insert_clicks

DAY_MS = DAY_S * 1000
MIDNIGHT_MS = 1_750_000_000_000 // DAY_MS * DAY_MS
NOW = datetime.fromtimestamp(MIDNIGHT_MS / 1000, UTC).replace(hour=23)
NOON_MS = MIDNIGHT_MS + DAY_MS // 2


def clicks(count: int, domain: str, first_seq: int = 0) -> list[dict[str, Any]]:
    """Within one quarter of an hour at noon."""
    rng = random.Random(first_seq)
    return [
        {
            "ts": NOON_MS + rng.randrange(900_000),
            "seq": first_seq + number,
            "domain": domain,
            "visitor": rng.randrange(count),
            "city": str(rng.randrange(50)),
            "verdict": rng.choice(["human", "human", "preview"]),
        }
        for number in range(count)
    ]


def windows_of(warehouse: Warehouse, scope: str, table: str = "rollup_keys") -> list[tuple[Any, ...]]:
    return warehouse.query(
        f"SELECT * EXCEPT (scope, subject) FROM {table} FINAL WHERE scope = '{scope}' ORDER BY ALL"
    )


@pytest.mark.parametrize("grain_s", [QUARTER_S, HOUR_S])
def test_copied_windows_are_those_of_the_rows(warehouse: Warehouse, grain_s: int) -> None:
    insert_clicks(warehouse, clicks(3_000, "s.example.com"), "a")
    refresh(warehouse, NOW)
    copied = windows_of(warehouse, "domain")
    assert copied == windows_of(warehouse, "tenant") != []
    assert windows_of(warehouse, "domain", "rollup_windows") == windows_of(
        warehouse, "tenant", "rollup_windows"
    )
    ((subject,),) = warehouse.query("SELECT cityHash64('s.example.com')")
    start_s = NOON_MS // 1000
    compute(warehouse, [Window("acme", "domain", int(subject), grain_s, start_s, 3_000, detailed=True)])
    assert windows_of(warehouse, "domain") == copied


def test_a_domain_beside_another_has_its_own(warehouse: Warehouse) -> None:
    insert_clicks(warehouse, [*clicks(3_000, "s.example.com"), *clicks(1_500, "t.example.com", 5_000)], "a")
    refresh(warehouse, NOW)
    sql = "SELECT DISTINCT scope, changes, arraySum(clicks) FROM rollup_keys FINAL ORDER BY ALL"
    found = {(scope, int(changes), int(counted)) for scope, changes, counted in warehouse.query(sql)}
    assert {each for each in found if each[0] != "link"} == {
        ("domain", 3_000, 3_000),
        ("domain", 1_500, 1_500),
        ("tenant", 4_500, 4_500),
    }
