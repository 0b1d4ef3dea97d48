"""Messages go when the clicks of their tenant would."""

from datetime import UTC, datetime, timedelta

import pytest

from aggregator.message_retention import expire_messages
from aggregator.retention import cutoffs
from ingest.contract import TenantDocument, Warehouse

NOW = datetime(2025, 6, 15, 12, 7, tzinfo=UTC)


def put_message(warehouse: Warehouse, tenant: str, at: datetime) -> None:
    at_ms = int(at.timestamp() * 1000)
    id_ = f"{tenant}-{at_ms}"
    rows: dict[str, dict[str, object]] = {
        "messages": {"tenant": tenant, "id": id_, "recipient": "+447700900123", "accepted_at": at_ms},
        "message_codes": {"tenant": tenant, "link": 1, "code": id_, "message": id_, "accepted_at": at_ms},
        "message_statuses": {"tenant": tenant, "id": id_, "status": "sent", "status_at": at_ms},
    }
    for table, row in rows.items():
        warehouse.insert(table, {name: [value] for name, value in row.items()}, token=id_)


def left(warehouse: Warehouse, table: str, column: str) -> list[tuple[str, int]]:
    rows = warehouse.query(
        f"SELECT tenant, toUnixTimestamp64Milli({column}) FROM {table} ORDER BY tenant, {column}"
    )
    return [(str(tenant), int(at_ms)) for tenant, at_ms in rows]


@pytest.fixture
def tenants() -> dict[str, TenantDocument]:
    return {"brief": TenantDocument("brief", retention_days=7)}


def test_each_tenants_messages_go_in_its_own_time(
    warehouse: Warehouse, tenants: dict[str, TenantDocument]
) -> None:
    young, week_old, old = (NOW - timedelta(days=days) for days in (1, 8, 401))
    for tenant in ("acme", "brief"):
        for at in (young, week_old, old):
            put_message(warehouse, tenant, at)
    assert expire_messages(warehouse, list(cutoffs(tenants, 400, NOW))) == 3
    kept = [("acme", week_old), ("acme", young), ("brief", young)]
    expected = [(tenant, int(at.timestamp() * 1000)) for tenant, at in kept]
    assert left(warehouse, "messages", "accepted_at") == expected
    assert left(warehouse, "message_codes", "accepted_at") == expected
    assert left(warehouse, "message_statuses", "status_at") == expected
    assert expire_messages(warehouse, list(cutoffs(tenants, 400, NOW))) == 0
