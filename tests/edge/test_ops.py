"""The operators' door: real requests to a real port, and metrics of processes that came and went."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import aiohttp
import pytest
from prometheus_client import CollectorRegistry, Counter
from prometheus_client.parser import text_string_to_metric_families

from edge.ops import Ops

REPOSITORY = Path(__file__).parents[2]
Get = Callable[[Ops, str], Awaitable[tuple[int, str, str]]]

# Counts as one edge worker would, says so, and waits to be killed.
WORKER = """
import sys, time
from prometheus_client import Counter
Counter("smartlinks_edge_answers", "Answers", ["outcome"]).labels("redirected").inc(int(sys.argv[1]))
print("counted", flush=True)
time.sleep(600)
"""


@pytest.fixture
async def get() -> AsyncIterator[Get]:
    async with aiohttp.ClientSession() as session:

        async def get(ops: Ops, path: str) -> tuple[int, str, str]:
            async with session.get(f"http://127.0.0.1:{ops.port}{path}") as answer:
                return answer.status, answer.content_type, await answer.text()

        yield get


@pytest.fixture
async def ops() -> AsyncIterator[Ops]:
    registry = CollectorRegistry()
    Counter("smartlinks_api_requests", "Requests", registry=registry).inc(3)
    ops = Ops("api", registry)
    await ops.start("127.0.0.1", 0)
    yield ops
    await ops.close()


def samples(text: str) -> dict[str, float]:
    return {
        sample.name: sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if not sample.name.endswith("_created")
    }


async def test_metrics_are_those_of_the_registry(ops: Ops, get: Get) -> None:
    status, content_type, text = await get(ops, "/metrics")
    assert (status, content_type) == (200, "text/plain")
    assert samples(text) == {"smartlinks_api_requests_total": 3}


async def test_a_program_that_serves_is_alive(ops: Ops, get: Get) -> None:
    ops.ready_when("redis", lambda: "unreachable")
    assert (await get(ops, "/livez"))[0] == 200


async def test_a_program_without_checks_is_ready(ops: Ops, get: Get) -> None:
    status, content_type, text = await get(ops, "/readyz")
    assert (status, content_type) == (200, "application/json")
    assert json.loads(text) == {"ready": True, "reasons": {}}


async def test_a_program_is_ready_only_while_every_check_is_fine(ops: Ops, get: Get) -> None:
    reasons: dict[str, str | None] = {"redis": None, "disk": "no space left"}
    ops.ready_when("redis", lambda: reasons["redis"])
    ops.ready_when("disk", lambda: reasons["disk"])
    status, _, text = await get(ops, "/readyz")
    assert status == 503
    assert json.loads(text) == {"ready": False, "reasons": {"disk": "no space left"}}
    reasons["disk"] = None
    assert (await get(ops, "/readyz"))[0] == 200


async def test_a_check_that_breaks_is_a_reason(ops: Ops, get: Get) -> None:
    def check() -> None:
        raise RuntimeError("no such attribute")

    ops.ready_when("warehouse", check)
    status, _, text = await get(ops, "/readyz")
    assert status == 503
    assert json.loads(text)["reasons"] == {"warehouse": "RuntimeError: no such attribute"}


async def test_anything_else_is_not_found(ops: Ops, get: Get) -> None:
    assert (await get(ops, "/"))[0] == 404


async def test_a_taken_port_is_an_error(ops: Ops) -> None:
    other = Ops("api", CollectorRegistry())
    with pytest.raises(OSError, match="address already in use"):
        await other.start("127.0.0.1", ops.port)
    await other.close()


async def test_metrics_of_processes_are_summed_and_survive_them(tmp_path: Path, get: Get) -> None:
    workers = [start_worker(tmp_path, answers) for answers in (5, 7)]
    ops = Ops("edge", CollectorRegistry(), tmp_path)
    await ops.start("127.0.0.1", 0)
    try:
        assert samples((await get(ops, "/metrics"))[2]) == {"smartlinks_edge_answers_total": 12}
        kill(workers.pop(0))
        workers.append(start_worker(tmp_path, 1))
        assert samples((await get(ops, "/metrics"))[2]) == {"smartlinks_edge_answers_total": 13}
    finally:
        for worker in workers:
            kill(worker)
        await ops.close()


def start_worker(folder: Path, answers: int) -> subprocess.Popen[str]:
    worker = subprocess.Popen(
        [sys.executable, "-c", WORKER, str(answers)],
        cwd=REPOSITORY,
        env={**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(folder)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert worker.stdout is not None
    assert worker.stdout.readline() == "counted\n"
    return worker


def kill(worker: subprocess.Popen[str]) -> None:
    worker.send_signal(signal.SIGKILL)
    worker.communicate()
