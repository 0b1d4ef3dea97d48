"""No text that a stranger sends costs enrichment more than a millisecond of CPU, whatever it repeats."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.enrich.geo import Geo
from ingest.enrich.steps import Enrichment
from ingest.enrich.visitor import VisitorIds
from tests.fixtures.stopwatch import RUN_AGAIN_IF_BROKEN, check_promise
from tests.ingest.click_events import a_click

pytestmark = RUN_AGAIN_IF_BROKEN

MAX_S = 0.001
MAX_CHARS = 2048
PIECES = [
    *("Mozilla/5.0 ", "Mozilla/5.0 (Linux; Android 1; a", "compatible; ", "MSIE ", "Android 1; ", " Build/"),
    *("bot", "Bot/", "crawl", "spider", "robot ", "search", "http ", "https", "+http", "a@", "@a-", " at a"),
    *("(", "[", "; ", "/", "a", "Z", "0", " ", "-", "_", ".", "1.", "ab", "\x00", "é", "一", "\U0001f600"),
    *("KAKAOTALK ", "Nokia", "Opera", "iPhone", "Windows", "Version/1.", "AppleWebKit/1 ", "Mobile Safari "),
]
enrichment = Enrichment(geo=Geo(None), visitor_ids=VisitorIds(b"k" * 32))


def least_seconds(tries: int, **fields: str) -> float:
    """The least CPU time of some tries, each with caches that don't know the values."""
    seconds = []
    for at in range(tries):
        fresh = {name: value[: MAX_CHARS - 8] + f"{at:8}" for name, value in fields.items()}
        click = a_click(**fresh)
        began_s = time.thread_time()
        enrichment.columns([click], now_ms=1)
        seconds.append(time.thread_time() - began_s)
    return min(seconds)


@pytest.mark.parametrize("start", ["", "Mozilla/5.0 (Linux; Android 1; ", "Mozilla/5.0 (compatible; "])
@pytest.mark.parametrize("piece", PIECES)
def test_repetition(piece: str, start: str) -> None:
    check_promise(least_seconds(9, ua=start + piece * MAX_CHARS), MAX_S)


@pytest.mark.parametrize("piece", ["https://", "a.", "[", "@", "a-", "/", "é"])
def test_repetition_in_other_headers(piece: str) -> None:
    text = piece * MAX_CHARS
    check_promise(least_seconds(9, referer=f"https://{text}", language=text, ip=text), MAX_S)


@settings(max_examples=60)
@given(st.text(min_size=MAX_CHARS // 4, max_size=MAX_CHARS), st.lists(st.sampled_from(PIECES), max_size=200))
def test_any_text_and_any_mixture(text: str, pieces: list[str]) -> None:
    check_promise(least_seconds(9, ua=text, referer=text, language=text, ip=text), MAX_S)
    check_promise(least_seconds(9, ua="".join(pieces)), MAX_S)
