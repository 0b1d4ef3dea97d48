"""Clients hang up at random while connections to Redis are killed: nobody gets another's destination."""

import asyncio
import json
from pathlib import Path

import pytest

from edge.contract import EdgeLink, open_link_store
from tests.edge.length import length, report
from tests.edge.recipients import Crowd
from tests.edge.test_processes import running
from tests.fixtures.redis import RedisServer

REQUESTS = length(50_000, 1_000_000)
LINKS = 10_000  # more than a worker caches, so that look-ups never cease
CONNECTIONS = 100


def destination(code: str) -> str:
    return f"https://example.com/{code}"


async def put_links(redis: RedisServer, codes: list[str]) -> None:
    store = open_link_store(redis.url)
    for start in range(0, LINKS, 16):
        await asyncio.gather(
            *(
                store.put_link(
                    f"lnk_{number}",
                    number,
                    EdgeLink(number, "t", code, "", destination(code).encode()),
                    b"{}",
                )
                for number, code in enumerate(codes[start : start + 16], start + 2)
            ),
            *(
                store.claim_codes("", [code], number)
                for number, code in enumerate(codes[start : start + 16], start + 2)
            ),
        )
    await store.close()


async def crowd_while_redis_hangs_up(port: int, redis: RedisServer, codes: list[str]) -> Crowd:
    crowd = Crowd(port, codes, destination, requests=REQUESTS, hang_up=0.1)

    async def hang_up() -> None:
        while True:
            await asyncio.sleep(0.2)
            redis.ask(b"CLIENT KILL TYPE normal")

    hanging_up = asyncio.create_task(hang_up())
    await crowd.run(CONNECTIONS)
    hanging_up.cancel()
    return crowd


@pytest.mark.drill
@pytest.mark.timeout(1200)
def test_no_answer_carries_anothers_destination(redis_server: RedisServer, tmp_path: Path) -> None:
    codes = [f"code{number:05}" for number in range(LINKS)]
    with running(redis_server, tmp_path) as program:
        asyncio.run(put_links(redis_server, codes))
        crowd = asyncio.run(crowd_while_redis_hangs_up(program.port, redis_server, codes))
        assert crowd.wrong == []
        assert crowd.statuses.keys() <= {302, 503}
        assert crowd.statuses[302] > 0.8 * REQUESTS
        assert program.clicks() >= crowd.statuses[302], "every answered redirect is in the spool"
    for log in program.spool.glob("*/*.log"):
        for line in log.read_bytes().splitlines():
            click = json.loads(line[9:])
            assert click["code"] == codes[click["link"] - 2]
    report(f"{REQUESTS} requests, {crowd.hung_up} hung up: {dict(crowd.statuses)}, 0 wrong")
