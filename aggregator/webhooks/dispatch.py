"""Delivers what is due: two at a time to a receiver, each at least once, under an id that never changes.

All that is to be remembered stands in the warehouse. Whoever dies between a receiver's answer and its being
stored makes the delivery go out again under the same id, which is what receivers tell repeats apart by.
"""

import asyncio
import contextlib
import dataclasses
import hashlib
import logging
import random
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import aiohttp

from aggregator.webhooks.attempt import holds_for_s, is_gone, post, standing_after
from aggregator.webhooks.metrics import WebhookMetrics
from aggregator.webhooks.store import (
    Delivery,
    Standing,
    count_pending,
    read_due,
    read_webhooks,
    save_standings,
    save_webhook,
)
from aggregator.webhooks.webhook import GONE_PREFIX, RECEIPTS, WebhookDocument
from ingest.contract import Warehouse, WarehouseError, WarehouseUnavailableError

AT_A_TIME: Final = 2
STORE_EVERY_S: Final = 0.2

Receiver = tuple[str, str, str]
"""Tenant, webhook and URL."""

log = logging.getLogger(__name__)


class Dispatch:
    """One life of the dispatcher. Owns nothing of what it is given; belongs to one event loop."""

    def __init__(
        self,
        warehouse: Warehouse,
        session: aiohttp.ClientSession,
        metrics: WebhookMetrics,
        *,
        clock_ms: Callable[[], int],
    ) -> None:
        self._warehouse = warehouse
        self._session = session
        self._metrics = metrics
        self._clock_ms = clock_ms
        self._draw = random.Random()
        self._waiting: dict[Receiver, deque[tuple[Delivery, int]]] = {}
        self._workers: dict[Receiver, set[asyncio.Task[None]]] = {}
        self._busy: set[str] = set()
        self._held_until_ms: dict[str, int] = {}
        self._done: list[tuple[Delivery, Standing]] = []
        self._webhooks: Mapping[tuple[str, str], WebhookDocument] = {}

    async def run_once(self, webhooks: Sequence[WebhookDocument]) -> int:
        """Take up what is due, store what has been answered; how many were taken up."""
        self._webhooks = {(hook.tenant, hook.id): hook for hook in webhooks}
        await self.store_done()
        now_ms = self._clock_ms()
        self._held_until_ms = {url: until for url, until in self._held_until_ms.items() if until > now_ms}
        due = await asyncio.to_thread(
            read_due, self._warehouse, now_ms, busy=frozenset(self._busy), held=frozenset(self._held_until_ms)
        )
        for delivery, attempts in due:
            receiver = (delivery.tenant, delivery.webhook, delivery.url)
            self._busy.add(delivery.id)
            self._waiting.setdefault(receiver, deque()).append((delivery, attempts))
            self._engage(receiver)
        self._metrics.pending.set(await asyncio.to_thread(count_pending, self._warehouse))
        return len(due)

    async def store_done(self) -> None:
        """Store what has been answered since the last time. Raises what the warehouse raises; call again."""
        done = tuple(self._done)
        if not done:
            return
        await asyncio.to_thread(save_standings, self._warehouse, done)
        del self._done[: len(done)]
        self._busy.difference_update(delivery.id for delivery, _ in done)

    async def drain(self) -> None:
        """Wait until all that was taken up has been tried."""
        while workers := [worker for some in self._workers.values() for worker in some]:
            await asyncio.wait(workers)

    async def close(self) -> None:
        """Let those under way end, begin no more, and store what came of them."""
        for waiting in self._waiting.values():
            waiting.clear()
        await self.drain()
        with contextlib.suppress(WarehouseError, WarehouseUnavailableError):
            await self.store_done()

    def _engage(self, receiver: Receiver) -> None:
        workers = self._workers.setdefault(receiver, set())
        if len(workers) < AT_A_TIME:
            worker = asyncio.create_task(self._work(receiver))
            workers.add(worker)
            worker.add_done_callback(lambda ended: self._leave(receiver, ended))

    def _leave(self, receiver: Receiver, worker: asyncio.Task[None]) -> None:
        workers = self._workers.get(receiver, set())
        workers.discard(worker)
        if not workers:
            self._workers.pop(receiver, None)
            self._waiting.pop(receiver, None)

    async def _work(self, receiver: Receiver) -> None:
        waiting = self._waiting.get(receiver, deque())
        while waiting:
            delivery, attempts = waiting.popleft()
            if delivery.url in self._held_until_ms:
                self._busy.discard(delivery.id)  # it is found again when it may go
                continue
            try:
                standing = await self._deliver(delivery, attempts + 1)
            except Exception:
                log.exception("delivery %s failed in a way that nobody thought of", delivery.id)
                self._busy.discard(delivery.id)
                return
            self._done.append((delivery, standing))

    async def _deliver(self, delivery: Delivery, attempts: int) -> Standing:
        webhook = self._webhooks.get((delivery.tenant, delivery.webhook))
        now_ms = self._clock_ms()
        if webhook is None or not webhook.is_enabled:
            self._metrics.attempts.labels("disabled").inc()
            detail = "the webhook is disabled or deleted"
            return Standing("given_up", attempts - 1, now_ms, 0, detail, now_ms)
        began_s = time.monotonic()
        answer = await post(self._session, delivery, webhook, now_ms)
        self._metrics.seconds.observe(time.monotonic() - began_s)
        now_ms = self._clock_ms()
        standing = standing_after(attempts, answer, now_ms, self._draw)
        self._metrics.attempts.labels(standing.state if standing.state != "pending" else "failed").inc()
        if is_gone(answer):
            await asyncio.to_thread(self._disable, webhook, delivery.url, now_ms)
        elif hold_s := holds_for_s(answer):
            self._held_until_ms[delivery.url] = now_ms + int(hold_s * 1000)
        return standing

    def _disable(self, webhook: WebhookDocument, url: str, now_ms: int) -> None:
        """Tell a receiver that is gone of nothing any more, until somebody enables it again."""
        reason = "The receiver answered 410 Gone"
        log.warning("webhook %s of tenant %s is disabled: %s", webhook.id, webhook.tenant, reason)
        if webhook.id == RECEIPTS:
            digest = hashlib.sha256(url.encode()).hexdigest()[:16]
            gone = dataclasses.replace(
                webhook,
                id=f"{GONE_PREFIX}{digest}",
                url=url,
                events=(),
                description="A callbackUrl of your messages; delete this to have receipts sent there again",
                disabled_reason=reason,
                created_at_ms=now_ms,
                updated_at_ms=now_ms,
                version=now_ms,
            )
            save_webhook(self._warehouse, gone)
            return
        for known in read_webhooks(self._warehouse, webhook.tenant):
            if known.id == webhook.id:
                save_webhook(
                    self._warehouse,
                    dataclasses.replace(
                        known, disabled_reason=reason, updated_at_ms=now_ms, version=known.version + 1
                    ),
                )
