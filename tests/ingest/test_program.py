"""The program of ingest: ready when it can store, and it tells why not."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import httpx

from aggregator.contract import migrate
from edge.contract import SpoolWriter, load
from ingest.contract import Warehouse, run
from tests.fixtures.ports import free_ports
from tests.ingest.runner_bed import DEADLINE_S, assert_stored_once, spool


async def test_the_program_says_why_it_is_not_ready_and_serves_its_metrics(
    tmp_path: Path, empty_warehouse: Warehouse
) -> None:
    writer = SpoolWriter(tmp_path / "spool" / "clicks")
    (port,) = free_ports(1)
    settings = load(data_dir=tmp_path, metrics_port=port - 1, api_host="127.0.0.1")
    stop = asyncio.Event()
    running = asyncio.create_task(run(settings, empty_warehouse, stop))
    url = f"http://127.0.0.1:{port}"
    async with httpx.AsyncClient(base_url=url, timeout=DEADLINE_S) as http, asyncio.timeout(DEADLINE_S):
        answer = await _get(http, "/readyz", lambda answer: "no table clicks" in answer.text)
        assert answer.status_code == 503
        await asyncio.to_thread(migrate, empty_warehouse)
        spool(writer, 3)
        await _get(http, "/readyz", lambda answer: answer.status_code == 200)
        await _get(http, "/metrics", lambda answer: "smartlinks_ingest_stored_total 3.0" in answer.text)
        assert (await http.get("/livez")).status_code == 200
    stop.set()
    async with asyncio.timeout(DEADLINE_S):
        await running
    writer.close()
    assert_stored_once(empty_warehouse, 3)


async def _get(
    http: httpx.AsyncClient, path: str, expected: Callable[[httpx.Response], bool]
) -> httpx.Response:
    """The first answer that is as expected."""
    while True:
        try:
            answer = await http.get(path)
        except httpx.TransportError:
            answer = None
        if answer is not None and expected(answer):
            return answer
        await asyncio.sleep(0.01)
