"""Making, changing and deleting webhooks, and sending their deliveries again."""

import asyncio
import dataclasses
import ipaddress
from collections.abc import Callable, Sequence
from typing import Final, TypeVar
from urllib.parse import urlsplit

from aggregator.contract import (
    RECEIPTS,
    SECRET_OVERLAP_MS,
    Delivery,
    DeliveryState,
    Network,
    Standing,
    WebhookDocument,
    is_reachable,
    list_deliveries,
    new_webhook_secret,
    read_clock_ms,
    read_delivery,
    read_webhooks,
    receipts_webhook,
    save_standings,
    save_webhook,
)
from api.events import Clock
from api.problems import TOO_MANY_WEBHOOKS, Flaw, ProblemError, invalid_body, not_found, pointer_to
from api.webhook_models import NewWebhook, WebhookPatch
from edge.contract import generate
from ingest.contract import Warehouse

MAX_WEBHOOKS: Final = 100

Found = TypeVar("Found")


class Webhooks:
    """The webhooks of all tenants. `allowed` networks are reachable though they are not public."""

    def __init__(self, warehouse: Warehouse, allowed: Sequence[Network], clock: Clock) -> None:
        self._warehouse = warehouse
        self._allowed = allowed
        self._clock = clock
        self._changing = asyncio.Lock()

    async def list_of(self, tenant: str) -> list[WebhookDocument]:
        """All of the tenant's, `RECEIPTS` among them."""
        await self._ask(receipts_webhook, tenant, self._clock())
        return await self._ask(read_webhooks, tenant)

    async def read(self, tenant: str, webhook_id: str) -> WebhookDocument:
        """Raises a 404 where the tenant has no such webhook."""
        for webhook in await self.list_of(tenant):
            if webhook.id == webhook_id:
                return webhook
        raise not_found("webhook")

    async def make(self, tenant: str, new: NewWebhook) -> WebhookDocument:
        """Raises a 409 where there are too many, a 422 where the URL leads to a network of our own."""
        self._check(new.url)
        async with self._changing:
            if len(await self.list_of(tenant)) >= MAX_WEBHOOKS:
                raise ProblemError(
                    TOO_MANY_WEBHOOKS, f"An account has at most {MAX_WEBHOOKS} webhooks; delete some first."
                )
            now_ms = await self._ask(read_clock_ms)
            webhook = WebhookDocument(
                id=f"whk_{generate(12)}",
                tenant=tenant,
                url=new.url,
                events=tuple(dict.fromkeys(new.events)),
                secret=new_webhook_secret(),
                description=new.description,
                include_bots=new.include_bots,
                created_at_ms=now_ms,
                updated_at_ms=now_ms,
            )
            await self._ask(save_webhook, webhook)
            return webhook

    async def change(
        self, tenant: str, webhook_id: str, patch: WebhookPatch
    ) -> tuple[WebhookDocument, WebhookDocument]:
        """The webhook before and after. Raises a 404, a 422."""
        if patch.url is not None:
            self._check(patch.url)
        async with self._changing:
            webhook = await self.read(tenant, webhook_id)
            if patch.url is not None and not webhook.url:
                raise invalid_body(
                    Flaw("Receipts go to each message's callbackUrl; leave it out", pointer_to("url"))
                )
            given = patch.model_dump(exclude_none=True, exclude={"enabled"})
            if "events" in given:
                given["events"] = tuple(dict.fromkeys(given["events"]))
            if patch.enabled is not None:
                given["disabled_reason"] = (
                    "" if patch.enabled else webhook.disabled_reason or "Disabled by hand"
                )
            return webhook, await self._save(webhook, **given)

    async def rotate(self, tenant: str, webhook_id: str) -> tuple[WebhookDocument, WebhookDocument]:
        """A new secret; the one before signs beside it for a day. The webhook before and after."""
        async with self._changing:
            webhook = await self.read(tenant, webhook_id)
            return webhook, await self._save(
                webhook,
                secret=new_webhook_secret(),
                previous_secret=webhook.secret,
                previous_until_ms=self._clock() + SECRET_OVERLAP_MS,
            )

    async def delete(self, tenant: str, webhook_id: str) -> WebhookDocument:
        """The webhook before. What is pending is given up. Raises a 404, a 422 for `RECEIPTS`."""
        async with self._changing:
            webhook = await self.read(tenant, webhook_id)
            if webhook.id == RECEIPTS:
                raise invalid_body(
                    Flaw("It can't be deleted; disable it by a PATCH of enabled", pointer_to())
                )
            gone = dataclasses.replace(webhook, version=webhook.version + 1, updated_at_ms=self._clock())
            await asyncio.to_thread(save_webhook, self._warehouse, gone, deleted=True)
            return webhook

    async def deliveries(
        self, tenant: str, webhook_id: str, *, state: DeliveryState | None, cursor: str | None, limit: int
    ) -> tuple[list[tuple[Delivery, Standing]], str | None]:
        """A page of deliveries, newest first, and the cursor of the next. Raises a 404."""
        await self.read(tenant, webhook_id)
        found = await asyncio.to_thread(
            list_deliveries,
            *(self._warehouse, tenant, webhook_id),
            state=state,
            before=cursor,
            limit=limit + 1,
        )
        page = found[:limit]
        return page, page[-1][0].id if len(found) > limit else None

    async def replay(self, tenant: str, webhook_id: str, delivery_id: str) -> tuple[Delivery, Standing]:
        """Send a delivery again, now, with all its tries before it. Raises a 404."""
        await self.read(tenant, webhook_id)
        found = await self._ask(read_delivery, tenant, webhook_id, delivery_id)
        if found is None:
            raise not_found("delivery")
        delivery, _ = found
        standing = Standing("pending", 0, self._clock())
        await self._ask(save_standings, [(delivery, standing)])
        return delivery, standing

    async def _save(self, webhook: WebhookDocument, **changes: object) -> WebhookDocument:
        changed = dataclasses.replace(
            webhook,
            **changes,  # type: ignore[arg-type] # a dict of fields of one type each
            updated_at_ms=max(self._clock(), webhook.updated_at_ms),
            version=webhook.version + 1,
        )
        await self._ask(save_webhook, changed)
        return changed

    async def _ask(self, function: Callable[..., Found], *arguments: object) -> Found:
        return await asyncio.to_thread(function, self._warehouse, *arguments)

    def _check(self, url: str) -> None:
        """Refuse at once what no delivery would ever reach; names are checked when they are resolved."""
        host = urlsplit(url).hostname or ""
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            is_ours = host == "localhost" or host.endswith((".localhost", ".internal", ".local"))
            refused = is_ours and not self._allowed
        else:
            refused = not is_reachable(address, self._allowed)
        if refused:
            raise invalid_body(
                Flaw("Give a public address; webhooks never go to private networks", pointer_to("url"))
            )
