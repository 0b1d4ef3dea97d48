"""Tenants as they are stored and read back."""

import dataclasses

from ingest.contract import TenantDocument, Warehouse, read_tenants, save_tenant

ACME = TenantDocument(
    id="acme",
    name="Acme",
    retention_days=30,
    address_privacy="truncated",
    recipient_privacy="hmac",
    created_at_ms=1_700_000_000_000,
    updated_at_ms=1_700_000_000_000,
    version=1,
)


def test_the_newest_version_counts_in_whatever_order_they_come(warehouse: Warehouse) -> None:
    changed = dataclasses.replace(ACME, name="Acme Corp", version=2)
    other = TenantDocument(id="other", version=1)
    for tenant in (changed, ACME, other, changed):
        save_tenant(warehouse, tenant)
    assert read_tenants(warehouse) == {"acme": changed, "other": other}
