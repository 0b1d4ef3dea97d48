"""One event of a thousand is no click, through Kafka; mended and replayed, it is counted once."""

import asyncio
import time
import uuid
from collections import Counter
from pathlib import Path
from typing import Final

import orjson

from aggregator.contract import ask_for_replay, find_letters, read_ledger
from ingest.kafka.address import CLICKS_TOPIC, DEAD_SUFFIX
from tests.drills.clients import Crowd
from tests.drills.exact import Sent
from tests.drills.processes import SPOOLS
from tests.drills.report import Outcome
from tests.drills.site import Site, running_site
from tests.fixtures.system import wait_until
from tests.kafka.reading import read_topic

RATE: Final = 2_000.0
POISON_EVERY: Final = 1_000
REPLAYED_WITHIN_S: Final = 60.0


def poison(folder: Path, *, clicks: int = 100_000) -> Outcome:
    with running_site(folder, without=("edge",)) as site:
        with Crowd(site.spool_dir, spools=SPOOLS, rate=RATE, poison_every=POISON_EVERY) as crowd:
            wait_until("clicks spooled", lambda: crowd.clicks >= clicks, deadline_s=2 * clicks / RATE)
        sent = Sent(spooled=crowd.spooled, poisoned=crowd.poisoned)
        site.await_drained(sent)
        poisoned = Counter(crowd.poisoned)
        misses = []
        if letters_told(site) != poisoned:
            misses.append("the topic of dead letters has others than were poisoned")
        stored = [
            (int(s), int(n)) for s, n in site.warehouse.query("SELECT source, seq FROM dead_letters FINAL")
        ]
        if Counter(stored) != poisoned:
            misses.append("the warehouse has other dead letters than were poisoned")
        ledger = read_ledger(site.warehouse, site.spool_dir)
        if (ledger.letters_open, ledger.rows, ledger.is_balanced) != (len(poisoned), crowd.clicks, True):
            misses.append(f"before the replay the ledger says {ledger}")
        replay_mended(site)
        misses += site.settle(sent)
        ledger = read_ledger(site.warehouse, site.spool_dir)
        events = sum(crowd.spooled.values())
        if (ledger.rows, ledger.replayed) != (events, len(poisoned)):
            misses.append(f"after the replay the ledger says {ledger}")
        came = (
            f"{len(poisoned)} of {events:,} poisoned, {len(stored)} dead letters, {ledger.replayed} replayed"
        )
        return Outcome(f"{came}; {ledger.rows:,} rows", tuple(misses))


def letters_told(site: Site) -> Counter[tuple[int, int]]:
    """The events on the topic of dead letters, by source and number."""
    url = site.system.extra_env["SMARTLINKS_EVENTS_URL"]
    told = asyncio.run(read_topic(url, CLICKS_TOPIC + DEAD_SUFFIX))
    events = [orjson.loads(orjson.loads(letter)["value"]) for letters in told.values() for letter in letters]
    return Counter((event["source"], event["seq"]) for event in events)


def replay_mended(site: Site) -> None:
    """Mend all dead letters, have them replayed, and wait until they are."""
    letters = find_letters(site.warehouse, origins=None, reason=None)
    mended = {
        origin: orjson.dumps({**orjson.loads(value), "method": "GET"}) for origin, value in letters.items()
    }
    now_ms = time.time_ns() // 1_000_000
    asked, refused = ask_for_replay(
        site.warehouse, letters, mended, now_ms=now_ms, request_id=uuid.uuid4().hex
    )
    assert (asked, refused) == (len(letters), []), refused[:3]
    wait_until(
        "replayed",
        lambda: read_ledger(site.warehouse, site.spool_dir).letters_open == 0,
        deadline_s=REPLAYED_WITHIN_S,
    )
