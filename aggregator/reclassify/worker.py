"""Runs reclassifications one at a time: those that were asked for, and the timing pass every few minutes."""

import logging
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

from aggregator.reclassify.changing import change_clicks
from aggregator.reclassify.documents import (
    UNFINISHED,
    Reclassification,
    list_reclassifications,
    save_progress,
)
from aggregator.reclassify.judging import (
    Window,
    days,
    forget_notes,
    note_clicks,
    note_inputs,
    noted_months,
    read_changes,
)
from aggregator.reclassify.timing import MARGIN_MS
from ingest.contract import RULES_VERSION, Judge, Warehouse, WarehouseError, month_bounds_ms

# How far behind the timing pass stays, and how often it runs. Clicks that are stored later make their hour be
# judged again, so this costs nothing but work.
SETTLED: Final = timedelta(minutes=2)
PASS_PERIOD: Final = timedelta(minutes=5)
# What is judged by timing at the first start beside clicks that were there before.
FIRST_PASS: Final = timedelta(days=1)
HOUR_MS: Final = 3_600_000
TIMING_NOTES: Final = "timing"

_log = logging.getLogger(__name__)
CheckStop = Callable[[], None]


class StoppedError(Exception):
    """Asked to stop; what is under way goes on at the next start."""


class ReclassificationWorker:
    """What the aggregator runs beside its housekeeping. `should_stop` is asked between steps."""

    def __init__(self, warehouse: Warehouse, should_stop: Callable[[], bool]) -> None:
        self._warehouse = warehouse
        self._should_stop = should_stop
        self._next_pass: datetime | None = None

    def run_once(self, now: datetime) -> None:
        """Finish what was asked for, then the timing pass if it is due. Blocks.

        Raises `WarehouseUnavailableError`: the same goes on at the next call.
        """
        try:
            for asked in list_reclassifications(self._warehouse):
                if asked.state in UNFINISHED:
                    reclassify(self._warehouse, asked, self._check_stop)
            if self._next_pass is None or now >= self._next_pass:
                judge_timing(self._warehouse, now, self._check_stop)
                self._next_pass = now + PASS_PERIOD
        except StoppedError:
            _log.info("stopped; a reclassification under way goes on at the next start")

    def _check_stop(self) -> None:
        if self._should_stop():
            raise StoppedError


def reclassify(
    warehouse: Warehouse, asked: Reclassification, check_stop: CheckStop = lambda: None
) -> Reclassification:
    """Carry out what was asked for, or what is left of it; the finished document. Blocks."""
    try:
        if asked.state != "changing":
            asked = _judge(warehouse, asked, check_stop)
        if not asked.dry_run:
            asked = _change(warehouse, asked, check_stop)
    except WarehouseError as error:
        forget_notes(warehouse, asked.id)
        _log.warning("reclassification %s failed: %s", asked.id, error)
        return save_progress(warehouse, asked, state="failed", error=str(error))
    forget_notes(warehouse, asked.id)
    return save_progress(warehouse, asked, state="done", finished_at_ms=_now_ms())


def judge_timing(warehouse: Warehouse, now: datetime, check_stop: CheckStop = lambda: None) -> int:
    """Judge the hours in which clicks were stored since the last pass; how many clicks changed. Blocks."""
    until_ms = int((now - SETTLED).timestamp() * 1000)
    rows = warehouse.query(
        "SELECT toUnixTimestamp64Milli(stored_until) FROM timing_passes FINAL WHERE id = 1"
    )
    since_ms = rows[0][0] if rows else int((now - FIRST_PASS).timestamp() * 1000)
    if since_ms >= until_ms:
        return 0
    changed = 0
    for window in _touched(warehouse, since_ms, until_ms):
        check_stop()
        forget_notes(warehouse, TIMING_NOTES)
        note_clicks(warehouse, window)
        noted, _ = read_changes(warehouse, TIMING_NOTES)
        if noted:
            change_clicks(warehouse, TIMING_NOTES, window.month, RULES_VERSION, check_stop)
            changed += noted
    forget_notes(warehouse, TIMING_NOTES)
    warehouse.insert(
        "timing_passes",
        {"id": [1], "stored_until": [until_ms], "version": [until_ms]},
        token=f"timing pass:{until_ms}",
    )
    return changed


def _touched(warehouse: Warehouse, since_ms: int, until_ms: int) -> Iterator[Window]:
    """The hours of the clicks that were stored meanwhile, with what their bursts may reach into."""
    rows = warehouse.query(
        "SELECT DISTINCT toInt64(toUnixTimestamp(toStartOfHour(ts))) * 1000 AS hour FROM clicks"
        " WHERE ingested_at > fromUnixTimestamp64Milli({since:Int64}, 'UTC')"
        " AND ingested_at <= fromUnixTimestamp64Milli({until:Int64}, 'UTC') ORDER BY hour",
        {"since": since_ms, "until": until_ms},
    )
    for (hour_ms,) in rows:
        for month in _months(hour_ms - MARGIN_MS, hour_ms + HOUR_MS + MARGIN_MS):
            yield Window(TIMING_NOTES, *month, "")


def _judge(warehouse: Warehouse, asked: Reclassification, check_stop: CheckStop) -> Reclassification:
    forget_notes(warehouse, asked.id)
    windows = _windows(warehouse, asked)
    asked = save_progress(
        warehouse,
        asked,
        state="judging",
        months=len(windows),
        months_done=0,
        judged=0,
        rules_version=RULES_VERSION,
    )
    judge = Judge()
    for window in windows:
        check_stop()
        judged = asked.judged + note_inputs(warehouse, window, judge)
        for day in days(window):
            check_stop()
            note_clicks(warehouse, day)
        changed, changes = read_changes(warehouse, asked.id)
        asked = save_progress(
            warehouse,
            asked,
            judged=judged,
            changed=changed,
            changes=changes,
            months_done=asked.months_done + 1,
        )
    return asked


def _change(warehouse: Warehouse, asked: Reclassification, check_stop: CheckStop) -> Reclassification:
    if asked.state != "changing":
        asked = save_progress(warehouse, asked, state="changing", months_done=0)
    for month in noted_months(warehouse, asked.id):
        check_stop()
        change_clicks(warehouse, asked.id, month, asked.rules_version, check_stop)
        forget_notes(warehouse, asked.id, month)
        asked = save_progress(warehouse, asked, months_done=asked.months_done + 1)
    return asked


def _windows(warehouse: Warehouse, asked: Reclassification) -> list[Window]:
    """A window a month between the first and the last click that was asked for."""
    ((first_ms, last_ms, clicks),) = warehouse.query(
        "SELECT toUnixTimestamp64Milli(min(ts)), toUnixTimestamp64Milli(max(ts)), count() FROM clicks"
        " WHERE ts >= fromUnixTimestamp64Milli({since:Int64}, 'UTC')"
        " AND ts < fromUnixTimestamp64Milli({until:Int64}, 'UTC')"
        " AND ({tenant:String} = '' OR tenant = {tenant:String})",
        {"since": asked.since_ms, "until": asked.until_ms, "tenant": asked.tenant or ""},
    )
    if not clicks:
        return []
    return [Window(asked.id, *month, asked.tenant or "") for month in _months(first_ms, last_ms + 1)]


def _months(start_ms: int, end_ms: int) -> Iterator[tuple[int, int, int]]:
    """`(month, start_ms, end_ms)` of each calendar month of UTC within the bounds."""
    while start_ms < end_ms:
        _, next_ms = month_bounds_ms(start_ms)
        moment = datetime.fromtimestamp(start_ms / 1000, UTC)
        yield moment.year * 100 + moment.month, start_ms, min(next_ms, end_ms)
        start_ms = next_ms


def _now_ms() -> int:
    return int(datetime.now(UTC).timestamp() * 1000)
