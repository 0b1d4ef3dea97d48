"""Reports as whole HTTP requests: the api on a table of clicks, and a client that asks it."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import httpx

from aggregator.contract import DIMENSIONS
from api.program import run
from edge.contract import Settings
from ingest.contract import Catalogue, LinkDocument, Warehouse
from loadtests.neighbours import free_port, running_redis
from loadtests.reports.clicks import DOMAIN, LINKS, TENANT

START_S: Final = 60.0
KEY: Final = "a-service-key-for-the-load-test"
# Redis shares a core with whatever else runs.
_CORE: Final = "0"


@contextmanager
def running_api(warehouse: Warehouse, folder: Path) -> Iterator[httpx.Client]:
    """The api program in this process, with a Redis of its own, and a client of it.

    In this process, because one process at a time opens the engine's folder. The links of the clicks are put
    into the catalogue. `folder` must have a short path: it holds Redis's socket.
    """
    Catalogue(warehouse).save_links([_link(number) for number in range(1, LINKS + 1)], token=f"{LINKS} links")
    with running_redis(folder / "redis", _CORE) as redis:
        settings = Settings(
            _env_file=None,
            redis_url=redis.url,
            data_dir=folder / "var",
            api_port=free_port(),
            metrics_port=free_port(),
            admin_key=KEY,
            default_domain=DOMAIN,
        )
        stop = asyncio.Event()
        loop = asyncio.new_event_loop()
        serving = threading.Thread(target=loop.run_until_complete, args=(run(settings, warehouse, stop),))
        serving.start()
        url = f"http://127.0.0.1:{settings.api_port}"
        try:
            with httpx.Client(base_url=url, headers={"Key": KEY}, timeout=60) as client:
                _wait_until_ready(client)
                yield client
        finally:
            loop.call_soon_threadsafe(stop.set)
            serving.join()
            loop.close()


def report(
    client: httpx.Client, links: Sequence[int | None], start: datetime
) -> Callable[[Warehouse, datetime], object]:
    """Asks for all breakdowns of one link (None: of the tenant) after the other, again and again."""
    asked = 0

    def run(_: Warehouse, now: datetime) -> object:
        nonlocal asked
        link = links[asked % len(links)]
        asked += 1
        path = "/v1/stats" if link is None else f"/v1/links/{_id(link)}/stats"
        parameters = {"from": start.isoformat(), "to": now.isoformat(), "by": ",".join(DIMENSIONS)}
        return _get(client, path, parameters)

    return run


def first_page(client: httpx.Client) -> Callable[[Warehouse, datetime], object]:
    """Asks for a page of 100 links with their counts."""
    return lambda _, __: _get(client, "/v1/links", {"limit": "100"})


def _get(client: httpx.Client, path: str, parameters: dict[str, str]) -> bytes:
    answer = client.get(path, params=parameters)
    answer.raise_for_status()
    return answer.content


def _wait_until_ready(client: httpx.Client) -> None:
    ends_s = time.monotonic() + START_S
    while time.monotonic() < ends_s:
        try:
            client.get("/v1/links", params={"limit": 1}).raise_for_status()
        except httpx.HTTPError:
            time.sleep(0.1)
        else:
            return
    raise SystemExit("The api does not start.")


def _id(number: int) -> str:
    return f"lnk_{number:012d}"


def _link(number: int) -> LinkDocument:
    made_ms = int(datetime(2025, 5, 1, tzinfo=UTC).timestamp() * 1000)
    return LinkDocument(
        number=number,
        id=_id(number),
        tenant=TENANT,
        name=f"Link {number}",
        domain=DOMAIN,
        suffix="",
        code=f"link{number}",
        destination_url="https://www.example.com/",
        ios_url=None,
        android_url=None,
        expires_at_ms=None,
        expired_url=None,
        campaign=None,
        tags=(),
        external_id=None,
        forward_query=False,
        enabled=True,
        created_at_ms=made_ms,
        updated_at_ms=made_ms,
        version=1,
    )
