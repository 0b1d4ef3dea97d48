"""Erasing a person: found under every form in which they may be stored, erased by one link event."""

import asyncio
from datetime import timedelta
from typing import Final

from api.account_models import ErasedRecipient
from api.audit.changes import note_change
from api.events import Clock, new_event_id
from api.fields import instant_of
from ingest.contract import (
    ON_ITS_WAY,
    Outbox,
    RecipientErased,
    RecipientKeys,
    Warehouse,
    count_named,
)

# The aggregator rewrites what holds deleted rows every 30 minutes, and the engine keeps old parts for 8.
OFF_DISK: Final = timedelta(hours=1)


class Erasures:
    """Owns none of its parts."""

    def __init__(self, *, warehouse: Warehouse, outbox: Outbox, keys: RecipientKeys, clock: Clock) -> None:
        self._warehouse = warehouse
        self._outbox = outbox
        self._keys = keys
        self._clock = clock

    async def erase(self, tenant: str, recipient: str) -> ErasedRecipient:
        """Erase the codes of a recipient and all clicks on them, now. Who is not known leaves zeros.

        Raises what `Outbox.publish` raises; then it is done as soon as Redis and the warehouse are back.
        """
        await self._outbox.settle()
        forms = await asyncio.to_thread(self._keys.forms, tenant, recipient)
        found = await asyncio.to_thread(count_named, self._warehouse, tenant, forms)
        event = RecipientErased(new_event_id(), self._clock(), tenant, forms)
        await self._outbox.publish(event)
        note_change("recipient", event.id, before=found)
        erased_at = instant_of(event.at)
        return ErasedRecipient(
            codes=found["codes"],
            clicks=found["clicks"],
            erased_at=erased_at,
            off_disk_by=erased_at + OFF_DISK,
            swept_until=erased_at + ON_ITS_WAY,
        )
