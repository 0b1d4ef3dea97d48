"""Cuts a range of time into hours, days, weeks or months as the clocks of a time zone show them. Pure."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, Literal
from zoneinfo import ZoneInfo

Interval = Literal["hour", "day", "week", "month"]

MAX_BUCKETS: Final = 10_000
FIRST_YEAR: Final = 1971
LAST_YEAR: Final = 2298


class RangeError(ValueError):
    """The range of a report can't be counted; the message says why."""


class EmptyRangeError(RangeError):
    pass


class InvertedRangeError(RangeError):
    pass


class TooManyBucketsError(RangeError):
    pass


def bucket_starts(start: datetime, end: datetime, interval: Interval, zone: ZoneInfo) -> list[datetime]:
    """The instants, in UTC, at which the buckets of `[start, end)` begin; the first is not after `start`.

    A day is from midnight to midnight whatever the clocks do in between, so it has 23 or 25 hours where they
    are changed; an hour that the clocks repeat is two buckets. Weeks begin on Monday. Raises `RangeError`.
    """
    check_range(start, end)
    starts: list[datetime] = []
    edges = _hours(start, zone) if interval == "hour" else _days(start, interval, zone)
    for edge in edges:
        if edge >= end:
            return starts
        # In a zone that skips a whole day, that day and the next begin at once: one bucket.
        if not starts or edge > starts[-1]:
            starts.append(edge)
        if len(starts) > MAX_BUCKETS:
            raise TooManyBucketsError(f"the range has more than {MAX_BUCKETS} of interval {interval}")
    return starts


def check_range(start: datetime, end: datetime) -> None:
    """Raises `RangeError` unless the range is of aware times, holds something, and lies in living memory."""
    if start.tzinfo is None or end.tzinfo is None:
        raise RangeError("the range's times have no time zone")
    if start == end:
        raise EmptyRangeError("the range is empty: its end is its start")
    if start > end:
        raise InvertedRangeError("the range ends before it starts")
    if start.year < FIRST_YEAR or end.year > LAST_YEAR:
        raise RangeError(f"the range lies outside of the years {FIRST_YEAR} to {LAST_YEAR}")


def _hours(start: datetime, zone: ZoneInfo) -> Iterator[datetime]:
    """Steps of what is left of the clock's hour: right in zones off by half and quarter hours too."""
    instant = start.astimezone(UTC)
    instant -= _past_the_hour(instant.astimezone(zone))
    while True:
        yield instant
        instant += timedelta(hours=1) - _past_the_hour(instant.astimezone(zone))


def _past_the_hour(local: datetime) -> timedelta:
    return timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond)


def _days(start: datetime, interval: Interval, zone: ZoneInfo) -> Iterator[datetime]:
    day = start.astimezone(zone).date()
    if interval == "week":
        day -= timedelta(days=day.weekday())
    elif interval == "month":
        day = day.replace(day=1)
    while True:
        yield _begin(day, zone)
        day = _next(day, interval)


def _begin(day: date, zone: ZoneInfo) -> datetime:
    """The day's first instant. Where its midnight was skipped, that is the moment of the change."""
    return datetime.combine(day, time(), zone).astimezone(UTC)


def _next(day: date, interval: Interval) -> date:
    if interval == "month":
        return (day.replace(day=28) + timedelta(days=4)).replace(day=1)
    return day + timedelta(days=7 if interval == "week" else 1)
