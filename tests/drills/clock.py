"""The machine's clock jumps, and stands at odd nights: each click is in the windows of its own time.

libfaketime shows all programs of one machine but Redis, which does not start with it, another time of day,
which is set while they run; what measures durations is left alone, as it is when a clock is set.
"""

import http.client
import time
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from itertools import pairwise
from pathlib import Path
from typing import Final, Literal
from zoneinfo import ZoneInfo

from tests.drills.clients import Clients, clicking
from tests.drills.exact import Sent
from tests.drills.one_machine import ANALYTICS, INGEST, end_and_count, one_machine
from tests.drills.report import Outcome
from tests.fixtures.redis import RedisServer
from tests.fixtures.system import System, stored_clicks, wait_until
from tests.system.test_whole_way import make_link

LIBRARY: Final = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1")
CLICKING_S: Final = 6.0
ASKS_OF_WORKERS: Final = (
    32  # each by a connection of its own: one of two workers is never asked in one of 2^31
)
ANSWER_WITHIN_S: Final = 5.0
DATED_WITHIN_S: Final = 2.0  # an answer's date has whole seconds
ZONES: Final = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu")
Interval = Literal["hour", "day"]
INTERVALS: Final[tuple[Interval, ...]] = ("hour", "day")
RANGES: Final = ("2026-10-01T00:00:00Z", "2027-06-01T00:00:00Z", "2028-04-01T00:00:00Z")
ROUNDED_S: Final = 0.002

# Two seconds before: a night of 25 hours and one of 23 in Berlin, both ends of a 29 February, a year's end.
NIGHTS: Final = (
    datetime(2026, 10, 25, 0, 59, 58, tzinfo=UTC),
    datetime(2027, 3, 28, 0, 59, 58, tzinfo=UTC),
    datetime(2027, 12, 31, 23, 59, 58, tzinfo=UTC),
    datetime(2028, 2, 28, 23, 59, 58, tzinfo=UTC),
    datetime(2028, 2, 29, 23, 59, 58, tzinfo=UTC),
)
LATE: Final = timedelta(hours=47, minutes=50)
JUMPS_S: Final = (3_600.0, 0.0, -3_600.0, 0.0)


class Clock:
    """What the programs take for the time of day: the real one and `offset_s`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.offset_s = 0.0
        self.set(0.0)

    def environment(self, redis_url: str) -> dict[str, str]:
        """Of programs that live by this clock, and keep all clicks whatever year it is."""
        return {
            "SMARTLINKS_REDIS_URL": redis_url,
            "SMARTLINKS_RETENTION_DAYS": "36500",
            "LD_PRELOAD": str(LIBRARY),
            "FAKETIME_TIMESTAMP_FILE": str(self._path),
            "FAKETIME_CACHE_DURATION": "1",  # seconds; without any, threads meet in the library's buffer
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

    def set(self, offset_s: float) -> None:
        """Jump. Running processes see it within a second: `await_seen`."""
        self.offset_s = offset_s
        unfinished = self._path.with_suffix(".new")
        unfinished.write_text(f"{offset_s:+.3f}\n")
        unfinished.replace(self._path)

    def await_seen(self, system: System) -> None:
        """Wait until every process of a running system that writes down times shows the new one."""
        for port, asks in ((system.edge_port, ASKS_OF_WORKERS), (system.metrics_port + INGEST, 1)):
            wait_until("the new time", lambda at=port, n=asks: all(self._is_shown(at) for _ in range(n)))  # type: ignore[misc] # bound now

    def _is_shown(self, port: int) -> bool:
        """Whether the process that takes a new connection dates its answer so. What is asked is no click."""
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_WITHIN_S)
        try:
            connection.request("OPTIONS", "/")
            date = connection.getresponse().headers["Date"]
        finally:
            connection.close()
        shown_s = parsedate_to_datetime(date).timestamp()
        return abs(shown_s - time.time() - self.offset_s) < DATED_WITHIN_S

    def set_to(self, moment: datetime) -> None:
        self.set(moment.timestamp() - time.time())


@dataclass(frozen=True, slots=True)
class Report:
    """Clicks by the Unix time at which their bucket begins; empty buckets are left out."""

    zone: str
    interval: Interval
    series: Counter[float]


@dataclass(frozen=True, slots=True)
class Span:
    """Clicks and the clock's offset while they were made."""

    clients: Clients
    offset_s: float


def jump(folder: Path) -> Outcome:
    if not LIBRARY.exists():
        return Outcome("", (f"{LIBRARY} is missing: apt-get install faketime",))
    clock = Clock(folder / "clock")
    spans: list[Span] = []
    with _redis(folder / "redis") as redis, one_machine(folder, **clock.environment(redis.url)) as system:
        system.start()
        with system.api as api:
            link_id = str(make_link(api, code="Clock123")["id"])

        def click() -> None:
            first = sum(len(span.clients.asked) for span in spans)
            paths = ["/Clock123"]
            with clicking(system.edge_port, paths, pace_s=0.02, connections=4, first=first) as clients:
                time.sleep(CLICKING_S)  # the clock goes on
            spans.append(Span(clients, clock.offset_s))

        click()
        for offset_s in JUMPS_S:
            clock.set(offset_s)
            clock.await_seen(system)
            click()
        for night in NIGHTS:
            clock.set_to(night)
            clock.await_seen(system)
            click()
        (analytics,) = system.processes(ANALYTICS)
        analytics.suspend()  # so that what is clicked now comes late
        click()
        clock.set(clock.offset_s + LATE.total_seconds())
        analytics.resume()
        clock.await_seen(system)
        reports = _reports_of_rows_and_rollups(system, clock, link_id)
        sent = Sent(
            {tag for span in spans for tag in span.clients.asked},
            {tag for span in spans for tag in span.clients.answered},
        )
        misses, _ = end_and_count(system, sent)
        times_ms = _stored_times_ms(system.data_dir)
    misses += [*_wrong_times(spans, times_ms), *_wrong_reports(reports, times_ms.values())]
    came = (
        f"{len(JUMPS_S)} jumps of an hour, {len(NIGHTS)} nights, {len(spans[-1].clients.answered):,} clicks"
        f" that came {LATE} late, {len(reports)} reports in {len(ZONES)} zones; {sent.clicks:,} times 302"
    )
    return Outcome(came, tuple(misses))


@contextmanager
def _redis(folder: Path) -> Iterator[RedisServer]:
    folder.mkdir()
    server = RedisServer(folder)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def _reports_of_rows_and_rollups(system: System, clock: Clock, link_id: str) -> list[Report]:
    """Before the windows of the last days were computed, and after all were."""
    wait_until("all stored", lambda: system.metric(1, "smartlinks_ingest_lag_bytes") == 0.0, deadline_s=60)
    reports = [*_ask(system, link_id)]
    clock.set(clock.offset_s + timedelta(days=2).total_seconds())
    assert system.stop(deadline_s=60) == 0
    system.start()  # it looks at windows of any age first
    wait_until("windows", lambda: (system.metric(2, "smartlinks_aggregator_windows_total") or 0) > 0)
    return [*reports, *_ask(system, link_id)]


def _ask(system: System, link_id: str) -> Iterator[Report]:
    with system.api as api:
        for zone in ZONES:
            for interval in INTERVALS:
                series: Counter[float] = Counter()
                for begin, end in pairwise(RANGES):
                    parameters = {"from": begin, "to": end, "interval": interval, "timezone": zone}
                    answer = api.get(f"/v1/links/{link_id}/stats", params=parameters)
                    assert answer.status_code == 200, answer.text
                    for bucket in answer.json()["series"]:
                        start_s = datetime.fromisoformat(bucket["start"]).timestamp()
                        series[start_s] += bucket["total_clicks"]
                yield Report(zone, interval, +series)


def _stored_times_ms(data_dir: Path) -> dict[str, int]:
    rows = stored_clicks(data_dir, "SELECT referer, toUnixTimestamp64Milli(ts) FROM clicks")
    return {str(tag): int(str(ts_ms)) for tag, ts_ms in rows}


def _wrong_times(spans: Sequence[Span], times_ms: Mapping[str, int]) -> Iterator[str]:
    """Each click bears the time that the clock showed between its request and its reply."""
    wrong = 0
    for span in spans:
        for tag, (asked_s, answered_s) in span.clients.answered.items():
            shown_s = times_ms.get(tag, 0) / 1000 - span.offset_s
            wrong += not asked_s - ROUNDED_S <= shown_s <= answered_s + ROUNDED_S
    if wrong:
        yield f"{wrong:,} clicks have another time than the clock showed"


def _wrong_reports(reports: Sequence[Report], times_ms: Collection[int]) -> Iterator[str]:
    """Each report has what its zone's own calendar makes of the clicks' times."""
    for report in reports:
        zone = ZoneInfo(report.zone)
        expected = Counter(_bucket_s(ts_ms, zone, report.interval) for ts_ms in times_ms)
        if report.series != expected:
            yield f"the report by {report.interval} in {report.zone} is wrong"


def _bucket_s(ts_ms: int, zone: ZoneInfo, interval: Interval) -> float:
    """When the hour or day of this time began by the clocks of the zone; an hour that comes twice is two."""
    local = datetime.fromtimestamp(ts_ms / 1000, zone).replace(minute=0, second=0, microsecond=0)
    return (local.replace(hour=0, fold=0) if interval == "day" else local).timestamp()
