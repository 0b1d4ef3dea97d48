"""The api program: makes Redis fit the catalogue, finishes what a predecessor began, then serves."""

import asyncio
import contextlib
import gc
import logging
from typing import Final

from prometheus_client import CollectorRegistry

from api.access.access import Access
from api.app import build_app, now_ms
from api.audit.log import AuditLog
from api.auth import admin_key
from api.conventions.request_ids import log_request_ids
from api.conventions.shared_state import SharedState, SharedStateUnavailableError
from api.link_stream.applying import Applying
from api.link_stream.consumer import LinkStream
from api.messages.dispatcher import Dispatcher
from api.messages.gateway import open_gateway, read_gateway_url
from api.messages.service import Messages
from api.metrics import Metrics
from api.rebuild import rebuild_link_store
from api.server import listen, serve
from api.services import Services
from api.side_by_side import Membership, OtherProgramsError
from edge.contract import (
    PREFIX,
    LinkStore,
    LinkStoreUnavailableError,
    Ops,
    Settings,
    SettingsError,
    open_link_store,
)
from ingest.contract import (
    Catalogue,
    LinkEventApplier,
    Outbox,
    Warehouse,
    WarehouseUnavailableError,
    parse_kafka_address,
)

OPS_PORT_OFFSET: Final = 3
RETRY_S: Final = 1.0
CODES_TO_COME: Final = 1_000_000
"""On many machines. Room for so many is 1.5 MB; growing along took two thirds of what claims cost Redis."""
GC_THRESHOLD: Final = 50_000
"""Recipients make no cycles; looking for some among tens of thousands took a third of a recipient's time."""
AUDIT_FOLDER: Final = "spool/audit"
_DOWN: Final = (LinkStoreUnavailableError, WarehouseUnavailableError)
_NOT_YET: Final = (*_DOWN, SharedStateUnavailableError, OtherProgramsError)

log = logging.getLogger(__name__)


async def run(settings: Settings, warehouse: Warehouse, stop: asyncio.Event) -> None:
    """Serve the API on `api_host:api_port` and its metrics until `stop` is set, then drain.

    The warehouse's schema is there by then; it stays the caller's. Raises `SettingsError` and `OSError`.
    """
    if settings.redis_url is None:
        raise SettingsError(f"{PREFIX}REDIS_URL: is not set; deploy.standalone starts a Redis of its own")
    if settings.sms_gateway_url is not None:
        try:
            read_gateway_url(settings.sms_gateway_url)
        except ValueError as error:
            raise SettingsError(f"{PREFIX}SMS_GATEWAY_URL: {error}") from None
    log_request_ids()
    async with contextlib.AsyncExitStack() as stack:
        link_store = open_link_store(settings.redis_url)
        stack.push_async_callback(link_store.close)
        program = Program(settings, warehouse, link_store)
        stack.callback(program.outbox.close)
        ops = Ops("api", program.registry)
        ops.ready_when("api", lambda: program.not_ready)
        stack.push_async_callback(ops.close)
        await ops.start(settings.api_host, settings.metrics_port + OPS_PORT_OFFSET)
        await program.run(stop)


class Program:
    """One life of the program. `not_ready` says why it does not serve, None when it does."""

    def __init__(self, settings: Settings, warehouse: Warehouse, link_store: LinkStore) -> None:
        self.registry = CollectorRegistry()
        self.not_ready: str | None = "starting"
        self._settings = settings
        self._warehouse = warehouse
        self._link_store = link_store
        self._catalogue = Catalogue(warehouse)
        applier = LinkEventApplier(link_store, self._catalogue)
        self.outbox = Outbox(settings.outbox_dir, applier.apply)
        self._metrics = Metrics(self.registry)
        key, _ = admin_key(settings)
        self._shared_state = SharedState(settings.redis_url or "")
        self._membership = Membership(self._shared_state)
        self._access = Access(settings, warehouse, self._shared_state, now_ms, admin_key=key)
        self._audit_log = AuditLog(settings.data_dir / AUDIT_FOLDER, warehouse)
        self._metrics.audit_backlog.set_function(lambda: self._audit_log.backlog)
        self._metrics.audit_failures.set_function(lambda: self._audit_log.failures)
        self._metrics.access_age_seconds.set_function(lambda: self._access.key_ring.age_s)
        self._metrics.outbox_backlog.set_function(lambda: self.outbox.backlog)

    async def run(self, stop: asyncio.Event) -> None:
        """Prepare, then serve until `stop`."""
        keeping = asyncio.create_task(self._membership.keep(stop.set))
        try:
            await self._serve(stop)
        finally:
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)
            await self._membership.leave()
            await self._shared_state.close()

    async def _serve(self, stop: asyncio.Event) -> None:
        with listen(self._settings.api_host, self._settings.api_port) as listener:
            if not await self._prepare(stop):
                return
            app = build_app(
                settings=self._settings,
                access=self._access,
                shared_state=self._shared_state,
                audit_log=self._audit_log,
                link_store=self._link_store,
                warehouse=self._warehouse,
                outbox=self.outbox,
                metrics=self._metrics,
            )
            gc.set_threshold(GC_THRESHOLD, 10, 10)
            gc.freeze()  # what is imported and put together by now stays for ever
            log.info("serving on %s, port %d", *listener.getsockname()[:2])
            watching = [
                asyncio.create_task(self._watch()),
                asyncio.create_task(self._make_room()),
                asyncio.create_task(self._access.run()),
                asyncio.create_task(self._audit_log.run()),
                asyncio.create_task(self._dispatch(app.state.services.messages)),
                asyncio.create_task(self._consume_commands(app.state.services)),
            ]
            try:
                await serve(app, listener, stop)
            finally:
                for task in watching:
                    task.cancel()
                await asyncio.gather(*watching, return_exceptions=True)
                app.state.services.app_clicks.close()
                await self._access.close()
                await self._audit_log.close()

    async def _rebuild(self) -> None:
        room_for = 0 if self._settings.events_url is None else CODES_TO_COME
        await rebuild_link_store(
            self._link_store, self._catalogue, self._metrics.restored.inc, room_for=room_for
        )

    async def _prepare(self, stop: asyncio.Event) -> bool:
        """Bring Redis and the catalogue up to date; try until it succeeds. False where `stop` came first."""
        while not stop.is_set():
            try:
                await self._membership.join()
                await self._rebuild()
                count = await self.outbox.recover()
                await self._access.open()
                await self._audit_log.recover()
            except _NOT_YET as error:
                self.not_ready = str(error)
                log.warning("not ready: %s", error)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), RETRY_S)
            else:
                if count:
                    log.info("applied %d link events that were left from before", count)
                self.not_ready = None
                return True
        return False

    async def _watch(self) -> None:
        """Refill Redis if it comes back empty, and apply what could not be applied."""
        while True:
            await asyncio.sleep(RETRY_S)
            try:
                await self._rebuild()
                await self.outbox.settle()
                self.not_ready = None
            except _DOWN as error:
                self.not_ready = str(error)
            except Exception as error:
                self.not_ready = f"looking after Redis and the outbox failed: {error}"
                log.exception("looking after Redis and the outbox failed")

    async def _dispatch(self, messages: Messages) -> None:
        """Hand messages to the gateway, if there is one."""
        if self._settings.sms_gateway_url is None:
            return
        gateway = open_gateway(self._settings.sms_gateway_url)
        dispatcher = Dispatcher(
            queue=messages.queue,
            store=messages.store,
            gateway=gateway,
            metrics=messages.metrics,
            clock=now_ms,
        )
        try:
            await dispatcher.run()
        finally:
            await gateway.close()

    async def _consume_commands(self, services: Services) -> None:
        """Apply link commands from Kafka, where there is one."""
        if self._settings.events_url is not None:
            address = parse_kafka_address(self._settings.events_url)
            await LinkStream(address, Applying(services, self._shared_state), self._metrics).run()

    async def _make_room(self) -> None:
        """Give the codes more buckets as they become more."""
        buckets = 0
        while True:
            try:
                before, buckets = buckets, await self._link_store.make_room()
                if before and buckets != before:
                    log.info("the codes have %d buckets now", buckets)
                    continue  # they may have come faster than that
            except _DOWN as error:
                log.warning("no room can be made for more codes now: %s", error)
            await asyncio.sleep(RETRY_S)
