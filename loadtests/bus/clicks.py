"""Clicks of phones as the edge spools them: many people, many codes, a few hundred user agents."""

import ipaddress
import random
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import orjson

from edge.contract import SpoolWriter, frame
from ingest.decode import Click, decode
from loadtests.phones import user_agents

LOT: Final = 100
PEOPLE: Final = 50_000
# All over the networks of the world, so that the databases have to look for each.
_FIRST_ADDRESS: Final = 0x10000000
_BETWEEN_ADDRESSES: Final = 60_013
_SIGNALS: Final = {"sec-fetch-site": "none", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}


def spool_clicks(folder: Path, *, sources: int, clicks: int) -> None:
    """Spool so many clicks from so many writers, which are gone then."""
    chance = random.Random(20261122)
    agents = user_agents()
    with ExitStack() as stack:
        writers = [SpoolWriter(folder) for _ in range(sources)]
        for writer in writers:
            stack.callback(writer.close)
        for _ in range(clicks // (sources * LOT)):
            for writer in writers:
                lot = (_click(chance, agents, writer.source, writer.take_seq()) for _ in range(LOT))
                writer.append(b"".join(map(frame, lot)))


def some_clicks(count: int) -> list[Click]:
    """So many clicks, decoded."""
    chance = random.Random(20261123)
    agents = user_agents()
    return [decode(_click(chance, agents, 1, seq)) for seq in range(1, count + 1)]


def _click(chance: random.Random, agents: list[str], source: int, seq: int) -> bytes:
    person = chance.randrange(PEOPLE)
    event = {
        "v": 1,
        "source": source,
        "seq": seq,
        "ts": time.time_ns() // 1_000_000,
        "host": "s.example.com",
        "code": f"c{chance.randrange(10_000_000):07d}",
        "link": chance.randrange(1, 1_000),
        "tenant": "main",
        "personal": True,
        "method": "GET",
        "route": "default",
        "outcome": "redirected",
        "ip": str(ipaddress.IPv4Address(_FIRST_ADDRESS + person * _BETWEEN_ADDRESSES)),
        "ua": agents[person % len(agents)],
        "referer": "",
        "language": "en-GB,en;q=0.9",
        "signals": _SIGNALS,
    }
    return orjson.dumps(event)
