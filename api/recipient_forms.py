"""Recipients as the tenant's profile has them stored, before anything is written down of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ingest.contract import RecipientKeys, TenantDocument, Warehouse, read_tenants

Pair = tuple[str, str]
"""Recipient and reference."""


@dataclass(frozen=True, slots=True)
class StoredPair:
    """What is stored of a pair, and as what else it may have been stored before."""

    current: Pair
    earlier: tuple[Pair, ...] = ()


class RecipientForms:
    """Asks for the profile each time, so that a change counts from the next recipient on. Blocks."""

    def __init__(self, warehouse: Warehouse, keys: RecipientKeys) -> None:
        self._warehouse = warehouse
        self._keys = keys

    def of(self, tenant: str, pairs: Sequence[Pair]) -> list[StoredPair]:
        """One for each pair, in order. Raises `RecipientKeysError`, and what the warehouse raises."""
        document = read_tenants(self._warehouse).get(tenant, TenantDocument(tenant))
        if document.recipient_privacy == "clear":
            return [StoredPair(pair) for pair in pairs]
        stored = []
        for recipient, reference in pairs:
            current = self._keys.stored_form(document, recipient)
            earlier = [form for form in self._keys.forms(tenant, recipient) if form != current]
            stored.append(StoredPair((current, reference), tuple((form, reference) for form in earlier)))
        return stored


def codes_by_current(found: Mapping[Pair, str], wanted: Sequence[StoredPair]) -> dict[Pair, str]:
    """The codes that were found under any form, by the current one."""
    codes = {}
    for pair in wanted:
        code = next((found[form] for form in (pair.current, *pair.earlier) if form in found), None)
        if code is not None:
            codes[pair.current] = code
    return codes
