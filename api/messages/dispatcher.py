"""Hands queued messages to the gateway, each at least once, and stores what became of them.

A message is in the warehouse before it is queued. Whoever dies between the gateway's answer and its being
stored makes the message be handed over again, under the same id. A dispatcher takes over what its own
predecessor on this data folder left, and what others left who have not been seen for `GONE_AFTER_MS`.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, TypeVar

from api.events import Clock
from api.messages.gateway import Gateway, GatewayRefusedError, GatewayUnavailableError
from api.messages.message import Fate, Message, MessageStatus
from api.messages.metrics import MessageMetrics
from api.messages.queue import MessageQueue, Run
from api.messages.store import MessageStore
from ingest.contract import WarehouseUnavailableError

STORE_EVERY_S: Final = 0.25
FIRST_PAUSE_S: Final = 0.5
LONGEST_PAUSE_S: Final = 30.0
NOTE_EVERY_S: Final = 20.0
GONE_AFTER_MS: Final = 120_000

Answer = TypeVar("Answer")

log = logging.getLogger(__name__)


class Dispatcher:
    """One life of a dispatcher; `run` until it is cancelled. Owns nothing of what it is given."""

    def __init__(
        self,
        *,
        queue: MessageQueue,
        store: MessageStore,
        gateway: Gateway,
        metrics: MessageMetrics,
        clock: Clock,
    ) -> None:
        self._queue = queue
        self._store = store
        self._gateway = gateway
        self._metrics = metrics
        self._clock = clock
        self._places = asyncio.Semaphore(gateway.in_flight)
        self._pauses: set[asyncio.TimerHandle] = set()
        metrics.waiting.set_function(lambda: len(queue))

    async def run(self) -> None:
        """Take over what was left, then hand over what comes. A mistake of ours is logged, and begun anew."""
        while True:
            try:
                await self._take_over(self._queue.owner)
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(self._hand_over_all())
                    tasks.create_task(self._watch_others())
            except Exception:
                log.exception("handing over messages failed")
                await asyncio.sleep(LONGEST_PAUSE_S)
            finally:
                for pause in self._pauses:
                    pause.cancel()

    async def _hand_over_all(self) -> None:
        while True:
            run = await self._queue.take()
            messages = await self._insist(partial(self._store.load_unsent, run.tenant, run.ids))
            postponed, retry_after_s = await self._hand_over(messages)
            if postponed:
                pause_s = max(min(FIRST_PAUSE_S * 2 ** (run.attempt - 1), LONGEST_PAUSE_S), retry_after_s)
                self._put_later(Run(run.tenant, postponed, run.attempt + 1), pause_s)
                if len(postponed) == len(messages):  # it is not the messages: the gateway takes none
                    await asyncio.sleep(pause_s)

    async def _hand_over(self, messages: Sequence[Message]) -> tuple[list[str], float]:
        """The ids of those that the gateway can't take now, and how many seconds it asked to wait."""
        postponed: list[str] = []
        retry_after_s = 0.0
        waiting = {asyncio.create_task(self._send(message)): message for message in messages}
        pending = set(waiting)
        try:
            while pending:
                done, pending = await asyncio.wait(pending, timeout=STORE_EVERY_S)
                fates = []
                for task in done:
                    outcome = task.result()
                    if isinstance(outcome, Fate):
                        fates.append(outcome)
                    else:
                        postponed.append(waiting[task].id)
                        retry_after_s = max(retry_after_s, outcome)
                await self._finish(fates)
        finally:
            for task in pending:
                task.cancel()
        self._metrics.postponed.inc(len(postponed))
        return sorted(postponed), retry_after_s

    async def _send(self, message: Message) -> Fate | float:
        """What became of the message, or the seconds that the gateway asked to wait."""
        async with self._places:
            if message.expires_at_ms <= self._clock():
                return self._fate(message, "expired", reason="it could not be handed over in time")
            began_s = time.monotonic()
            try:
                gateway_id = await self._gateway.send(message)
            except GatewayRefusedError as error:
                return self._fate(message, "failed", reason=str(error))
            except GatewayUnavailableError as error:
                log.warning("message %s waits: %s", message.id, error)
                return error.retry_after_s
            except Exception as error:  # one bad message must not hold up all others
                log.exception("message %s can't be handed over", message.id)
                return self._fate(message, "failed", reason=f"it can't be handed over: {error}")
            finally:
                self._metrics.gateway_seconds.observe(time.monotonic() - began_s)
            return self._fate(message, "sent", gateway_id=gateway_id)

    def _fate(
        self, message: Message, status: MessageStatus, *, reason: str = "", gateway_id: str = ""
    ) -> Fate:
        return Fate(message.tenant, message.id, status, self._clock(), reason, gateway_id)

    async def _finish(self, fates: Sequence[Fate]) -> None:
        if not fates:
            return
        await asyncio.shield(self._insist(lambda: self._store.finish(fates)))
        for fate in fates:
            self._metrics.finished.labels(fate.status).inc()

    def _put_later(self, run: Run, pause_s: float) -> None:
        def put() -> None:
            self._pauses.discard(pause)
            self._queue.put(run.tenant, run.ids, run.attempt)

        pause = asyncio.get_running_loop().call_later(pause_s, put)
        self._pauses.add(pause)

    async def _take_over(self, owner: str) -> None:
        runs = await self._insist(lambda: list(self._store.unsent(owner, self._clock())))
        for tenant, ids in runs:
            log.info("%d messages are handed over that were left by %s", len(ids), owner)
            self._queue.put(tenant, ids)

    async def _watch_others(self) -> None:
        """Say that we live. Of those alive, the first by name takes over what is left by one that is gone."""
        taken_over: set[str] = set()
        while True:
            now_ms = self._clock()
            await self._insist(partial(self._store.note_dispatcher, self._queue.owner, now_ms))
            seen_at = await self._insist(self._store.dispatchers)
            alive = {owner for owner, at_ms in seen_at.items() if at_ms > now_ms - GONE_AFTER_MS}
            taken_over &= seen_at.keys() - alive
            if self._queue.owner == min(alive, default=""):
                for owner in seen_at.keys() - alive - taken_over:
                    await self._take_over(owner)
                    taken_over.add(owner)
            await asyncio.sleep(NOTE_EVERY_S)

    async def _insist(self, ask: Callable[[], Answer]) -> Answer:
        """The warehouse's answer, however long it takes to come back."""
        pause_s = FIRST_PAUSE_S
        while True:
            try:
                return await asyncio.to_thread(ask)
            except WarehouseUnavailableError as error:
                log.warning("messages wait for the warehouse: %s", error)
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
