"""CPU of enrichment alone, an event, on user agents as real traffic has them."""

import random
import time
from collections.abc import Iterator, Sequence
from typing import Final

from ingest.decode import Click
from ingest.enrich.geo import Geo
from ingest.enrich.steps import Enrichment
from ingest.enrich.visitor import VisitorIds
from tests.ingest.click_events import a_click
from tests.ingest.corpus.labelled import load_corpus, real_traffic

CLICKS: Final = 20_000
BATCH: Final = 5_000


def measure_cpu() -> Iterator[str]:
    """Lines that tell microseconds of CPU an event: with warm caches, and each user agent for the first time.

    Without a city database, whose look-ups are `tests/ingest/test_geo.py`'s matter.
    """
    chance = random.Random(1)
    user_agents, weights = zip(*real_traffic(), strict=True)
    traffic = [
        a_click(seq=seq, ua=user_agent, ip=f"198.51.{chance.randrange(100, 104)}.{chance.randrange(256)}")
        for seq, user_agent in enumerate(chance.choices(user_agents, weights, k=CLICKS), start=1)
    ]
    every = [
        a_click(seq=seq, ua=sample.user_agent, ip=f"198.{seq >> 16 & 255}.{seq >> 8 & 255}.{seq & 255}")
        for seq, sample in enumerate(load_corpus()[:CLICKS], start=1)
    ]
    warm = _open()
    _enrich(warm, traffic)
    warm_us = min(_cpu_us(warm, traffic) for _ in range(3))
    yield f"CPU an event, warm: {warm_us:.1f} us ({', '.join(_steps_us(warm, traffic))})"
    cold_us = min(_cpu_us(_open(), every) for _ in range(2))
    yield f"CPU an event, every user agent and address for the first time: {cold_us:.1f} us"
    first = _open()
    _enrich(first, traffic)
    for name, (hits, misses) in first.cache_uses().items():
        yield f"cache {name}: {hits / (hits + misses):.1%} hits in {CLICKS:,} clicks from the start"


def _open() -> Enrichment:
    return Enrichment(geo=Geo(None), visitor_ids=VisitorIds(b"k" * 32))


def _enrich(enrichment: Enrichment, clicks: Sequence[Click]) -> None:
    for start in range(0, len(clicks), BATCH):
        enrichment.columns(clicks[start : start + BATCH], now_ms=1)


def _cpu_us(enrichment: Enrichment, clicks: Sequence[Click]) -> float:
    began_s = time.process_time()
    _enrich(enrichment, clicks)
    return (time.process_time() - began_s) * 1e6 / len(clicks)


def _steps_us(enrichment: Enrichment, clicks: Sequence[Click]) -> Iterator[str]:
    took_s: dict[str, float] = {}
    enrichment.columns(clicks[:BATCH], now_ms=1, timed=took_s.__setitem__)
    for name, seconds in took_s.items():
        yield f"{name} {seconds * 1e6 / BATCH:.1f}"
