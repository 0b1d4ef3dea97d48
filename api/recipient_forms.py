"""Recipients as the tenant's profile has them stored, before anything is written down of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ingest.contract import RecipientKeys, TenantDocument, Warehouse, read_tenants

Pair = tuple[str, str]
"""Recipient and reference."""


@dataclass(frozen=True, slots=True)
class StoredPairs:
    """What is stored of pairs, in order, and as what else each may have been stored before.

    Most tenants store recipients as they are: then `current` is what was given, at no cost a recipient.
    """

    current: Sequence[Pair]
    earlier: Mapping[Pair, tuple[Pair, ...]]

    def all_forms(self) -> list[Pair]:
        """Each form once."""
        if not self.earlier:
            return list(dict.fromkeys(self.current))
        return list(
            dict.fromkeys(form for pair in self.current for form in (pair, *self.earlier.get(pair, ())))
        )

    def by_current(self, found: Mapping[Pair, str]) -> dict[Pair, str]:
        """The codes that were found under any form, by the current one."""
        codes = dict(found)
        for pair, forms in self.earlier.items():
            code = next((found[form] for form in (pair, *forms) if form in found), None)
            if code is not None:
                codes[pair] = code
        return codes


class RecipientForms:
    """Asks for the profile each time, so that a change counts from the next recipient on. Blocks."""

    def __init__(self, warehouse: Warehouse, keys: RecipientKeys) -> None:
        self._warehouse = warehouse
        self._keys = keys

    def of(self, tenant: str, pairs: Sequence[Pair]) -> StoredPairs:
        """Raises `RecipientKeysError`, and what the warehouse raises."""
        document = read_tenants(self._warehouse).get(tenant, TenantDocument(tenant))
        if document.recipient_privacy == "clear":
            return StoredPairs(pairs, {})
        stored: list[Pair] = []
        earlier: dict[Pair, tuple[Pair, ...]] = {}
        for recipient, reference in pairs:
            current = (self._keys.stored_form(document, recipient), reference)
            others = tuple((form, reference) for form in self._keys.forms(tenant, recipient))
            stored.append(current)
            earlier[current] = tuple(other for other in others if other != current)
        return StoredPairs(stored, earlier)
