"""The API over a real socket, beside a real Redis and a real warehouse."""

import asyncio
import itertools
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import httpx
import pytest
from prometheus_client import CollectorRegistry

from api.access.access import Access
from api.access.scopes import GrantableScope
from api.access.service_key import ServiceKey, digest_of, save_key
from api.app import build_app, now_ms
from api.audit.log import AuditLog
from api.conventions.shared_state import SharedState
from api.metrics import Metrics
from api.rebuild import rebuild_link_store
from api.server import listen, serve
from edge.bounds import Bounds
from edge.contract import LinkStore, Settings, open_link_store
from ingest.contract import Catalogue, LinkEventApplier, Outbox, Warehouse
from tests.api.api_program import DATABASE
from tests.api.processes import Program
from tests.fixtures.redis import RedisServer

KEY = "test-key-0123456789abcdef"
OTHER_KEY = "another-tenants-key-01"
DOMAIN = "s.example.com"


def put_key(
    warehouse: Warehouse,
    key: str,
    *,
    tenant: str,
    scopes: tuple[GrantableScope, ...] = ("admin",),
    messages_per_s: int | None = None,
) -> ServiceKey:
    """Store a service key that tests know."""
    stored = ServiceKey(
        id=f"key_{digest_of(key.encode())[:12]}",
        tenant=tenant,
        name="",
        digest=digest_of(key.encode()),
        ending=key[-4:],
        scopes=scopes,
        addresses=(),
        quota=None,
        messages_per_s=messages_per_s,
        expires_at_ms=None,
        previous_digest=None,
        previous_until_ms=None,
        created_at_ms=1,
        updated_at_ms=1,
        revoked_at_ms=None,
        version=1,
    )
    save_key(warehouse, stored)
    return stored


class RunningApi:
    """One life of the API. `client` talks to it over TCP with a valid key."""

    def __init__(self, settings: Settings, link_store: LinkStore, warehouse: Warehouse) -> None:
        self.settings = settings
        self.link_store = link_store
        self.warehouse = warehouse
        self.catalogue = Catalogue(warehouse)
        self.registry = CollectorRegistry()
        self.applier = LinkEventApplier(link_store, self.catalogue)
        self.outbox = Outbox(settings.outbox_dir, self.applier.apply)
        self.clock_ms: Callable[[], int] = now_ms
        assert settings.redis_url is not None
        self.shared_state = SharedState(settings.redis_url)
        self.audit_log = AuditLog(settings.data_dir / "audit", warehouse)
        self.tls: ssl.SSLContext | None = None
        self._stop = asyncio.Event()

    async def start(self) -> None:
        await rebuild_link_store(self.link_store, self.catalogue)
        self.recovered = await self.outbox.recover()
        put_key(self.warehouse, OTHER_KEY, tenant="other")
        self.access = Access(
            self.settings,
            self.warehouse,
            self.shared_state,
            lambda: self.clock_ms(),  # noqa: PLW0108 - tests set another one later
            admin_key=KEY,
            tls=self.tls,
        )
        await self.access.open()
        await self.audit_log.recover()
        self._refreshing = asyncio.create_task(self.access.run())
        self.app = app = build_app(
            settings=self.settings,
            access=self.access,
            shared_state=self.shared_state,
            audit_log=self.audit_log,
            link_store=self.link_store,
            warehouse=self.warehouse,
            outbox=self.outbox,
            metrics=Metrics(self.registry),
            clock=lambda: self.clock_ms(),  # noqa: PLW0108 - tests set another one later
        )
        listener = listen("127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        self._serving = asyncio.create_task(serve(app, listener, self._stop))
        self.client = httpx.AsyncClient(
            base_url=self.url, headers={"Authorization": f"Bearer {KEY}"}, timeout=180
        )

    async def close(self) -> None:
        await self.client.aclose()
        self._stop.set()
        await self._serving
        self._refreshing.cancel()
        await self.access.close()
        await self.audit_log.close()
        await self.shared_state.close()
        self.outbox.close()
        await self.link_store.close()

    async def make(self, **fields: object) -> dict[str, object]:
        """A link, made over the API."""
        answer = await self.client.post(
            "/v1/links", json={"destination_url": "https://www.example.com/", **fields}
        )
        assert answer.status_code == 201, answer.text
        link: dict[str, object] = answer.json()
        return link


StartApi = Callable[[], Awaitable[RunningApi]]
NewProgram = Callable[..., Program]


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """After some seconds a neighbour counts as down. Here they run, and only the machine may be slow."""
    monkeypatch.setattr("edge.worker.BOUNDS", Bounds(deadline_s=60.0))
    for bound in (
        "edge.redis_connection.TIMEOUT_S",
        "edge.redis_connection.DEADLINE_S",
        "api.access.key_sets.TIMEOUT_S",
        "api.messages.http_gateway.TIMEOUT_S",
        "api.messages.smpp_session.CONNECT_WITHIN_S",
        "api.messages.smpp_session.ANSWER_WITHIN_S",
    ):
        monkeypatch.setattr(bound, 60.0)


@pytest.fixture
def settings(tmp_path: Path, redis_server: RedisServer) -> Settings:
    return Settings(data_dir=tmp_path, redis_url=redis_server.url, default_domain=DOMAIN, _env_file=None)


@pytest.fixture
async def start_api(settings: Settings, warehouse: Warehouse) -> AsyncIterator[StartApi]:
    """Starts the API, as often as asked; all are stopped at the end."""
    running: list[RunningApi] = []

    async def start() -> RunningApi:
        assert settings.redis_url is not None
        api = RunningApi(settings, open_link_store(settings.redis_url), warehouse)
        await api.start()
        running.append(api)
        return api

    yield start
    for api in running:
        await api.close()


@pytest.fixture
def new_program(
    own_redis: RedisServer, tmp_path: Path, clickhouse_url: str, clickhouse: Warehouse
) -> NewProgram:
    """Api processes on one ClickHouse and one Redis. Each has a data folder, and so an outbox, of its own."""
    ((database,),) = clickhouse.query("SELECT currentDatabase()")
    environment = {"SMARTLINKS_CLICKHOUSE_URL": clickhouse_url, DATABASE: str(database)}
    folders = (tmp_path / f"program{number}" for number in itertools.count(1))
    return lambda **more: Program(next(folders), own_redis.url, **environment, **more)


@pytest.fixture
async def api(start_api: StartApi) -> RunningApi:
    return await start_api()
