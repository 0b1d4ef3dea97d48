"""Scenarios of a campaign, for Locust. `python -m loadtests.campaign` starts what they need and runs them.

| user | what it does | what must come |
| --- | --- | --- |
| `Recipient` | opens its own code, each code once, on a new connection now and then | 302 |
| `Sharer` | opens the one link that went viral | 302 |
| `Scanner` | tries codes that nobody has, from an address of its own | 404 or 429 |
| `Baseline` | asks nginx, as often as recipients and sharers together ask the edge | 302 |

Users come and go as people do after a campaign is sent: steeply up, then a long tail.
"""

import itertools
import json
import math
import os
import random
from pathlib import Path
from typing import Any, Final

import gevent  # type: ignore[import-untyped] # ships no types
from locust import FastHttpUser, LoadTestShape, constant_throughput, events, task
from locust.env import Environment

from edge.contract import generate_many
from loadtests.campaign.verdict import Latencies

PLAN: Final[dict[str, Any]] = json.loads(Path(os.environ["LOADTEST_PLAN"]).read_text())
PHONE: Final = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15"
REQUESTS_A_SECOND: Final = 10.0  # of one user
HANGS_UP_AFTER: Final = 20
SPAWNED_A_SECOND: Final = 50.0

_codes: Final = itertools.cycle(PLAN["codes"])
_latencies: Final = Latencies()


class Opener(FastHttpUser):
    """Someone who opens short URLs and does not follow the redirect."""

    abstract = True
    wait_time = constant_throughput(REQUESTS_A_SECOND)
    expected: tuple[int, ...] = (302,)

    def on_start(self) -> None:
        self.address = ".".join(str(random.randrange(1, 255)) for _ in range(4))
        self.opened = random.randrange(HANGS_UP_AFTER)
        gevent.sleep(random.random() / REQUESTS_A_SECOND)  # or all who came together would ask together

    def open(self, code: str, name: str) -> None:
        self.opened += 1
        headers = {"User-Agent": PHONE, "X-Forwarded-For": self.address}
        if self.opened % HANGS_UP_AFTER == 0:
            headers["Connection"] = "close"
        with self.client.get(
            f"/{code}", name=name, headers=headers, allow_redirects=False, catch_response=True
        ) as response:
            if response.status_code in self.expected:
                response.success()
            else:
                response.failure(f"answered {response.status_code}")


class Recipient(Opener):
    host = PLAN["edge"]
    weight = 4

    @task
    def open_own_code(self) -> None:
        self.open(next(_codes), "recipient")


class Sharer(Opener):
    host = PLAN["edge"]
    weight = 2

    @task
    def open_viral_link(self) -> None:
        self.open(PLAN["viral"], "viral link")


class Scanner(Opener):
    host = PLAN["edge"]
    weight = 1
    expected = (404, 429)

    @task
    def try_a_code(self) -> None:
        self.open(generate_many(1)[0], "scanner")


class Baseline(Opener):
    host = PLAN["nginx"]
    weight = 6

    @task
    def ask_nginx(self) -> None:
        self.open(next(_codes), "nginx")


class Campaign(LoadTestShape):
    """Users over the run: all are there after a sixth of it, and a third of them at its end."""

    def tick(self) -> tuple[int, float] | None:
        at = float(self.get_run_time()) / PLAN["seconds"]  # type: ignore[no-untyped-call] # untyped upstream
        if at >= 1:
            return None
        share = at * 6 if at < 1 / 6 else math.exp(-1.3 * (at - 1 / 6))
        users = max(13, round(PLAN["peak_users"] * share / 13) * 13)  # every kind in its proportion
        return users, SPAWNED_A_SECOND


@events.request.add_listener  # type: ignore[untyped-decorator] # untyped upstream
def _note(name: str, response_time: float, exception: Exception | None, **_: Any) -> None:
    _latencies.add(name, response_time, failed=exception is not None)


@events.quitting.add_listener  # type: ignore[untyped-decorator] # untyped upstream
def _judge(environment: Environment, **_: Any) -> None:
    verdict = _latencies.judge()
    print(verdict.render())
    environment.process_exit_code = 0 if verdict.holds else 1
