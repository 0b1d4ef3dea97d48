"""Hours, days, weeks and months as the clocks of a zone show them."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.reports.buckets import (
    EmptyRangeError,
    Interval,
    InvertedRangeError,
    RangeError,
    TooManyBucketsError,
    bucket_starts,
)

ZONES = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "America/Havana",
    "America/Asuncion",
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "Asia/Beirut",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Pacific/Chatham",
]


def starts(first: str, last: str, interval: Interval, zone: str) -> list[str]:
    timezone = ZoneInfo(zone)
    begin, end = (datetime.fromisoformat(text).replace(tzinfo=timezone) for text in (first, last))
    return [
        start.astimezone(timezone).isoformat()
        for start in bucket_starts(begin.astimezone(UTC), end.astimezone(UTC), interval, timezone)
    ]


def test_a_day_of_23_hours() -> None:
    hours = starts("2025-03-30T00:00", "2025-03-31T00:00", "hour", "Europe/Berlin")
    assert len(hours) == 23
    assert hours[1:3] == ["2025-03-30T01:00:00+01:00", "2025-03-30T03:00:00+02:00"]
    assert starts("2025-03-29T00:00", "2025-04-01T00:00", "day", "Europe/Berlin") == [
        "2025-03-29T00:00:00+01:00",
        "2025-03-30T00:00:00+01:00",
        "2025-03-31T00:00:00+02:00",
    ]


def test_a_day_of_25_hours_repeats_one() -> None:
    hours = starts("2025-10-26T00:00", "2025-10-27T00:00", "hour", "Europe/Berlin")
    assert len(hours) == 25
    assert hours[2:4] == ["2025-10-26T02:00:00+02:00", "2025-10-26T02:00:00+01:00"]


def test_a_day_whose_midnight_is_skipped_begins_with_the_change() -> None:
    assert starts("2025-03-29T00:00", "2025-04-01T00:00", "day", "Asia/Beirut") == [
        "2025-03-29T00:00:00+02:00",
        "2025-03-30T01:00:00+03:00",
        "2025-03-31T00:00:00+03:00",
    ]


def test_a_day_that_is_skipped_whole() -> None:
    assert starts("2011-12-29T00:00", "2012-01-01T00:00", "day", "Pacific/Apia") == [
        "2011-12-29T00:00:00-10:00",
        "2011-12-31T00:00:00+14:00",
    ]


@pytest.mark.parametrize(("zone", "offset"), [("Asia/Kolkata", "+05:30"), ("Asia/Kathmandu", "+05:45")])
def test_hours_of_zones_off_by_half_and_quarter_hours(zone: str, offset: str) -> None:
    hours = starts("2025-01-01T00:10", "2025-01-01T02:00", "hour", zone)
    assert hours == [f"2025-01-01T00:00:00{offset}", f"2025-01-01T01:00:00{offset}"]


def test_a_change_of_half_an_hour() -> None:
    hours = starts("2025-10-05T01:00", "2025-10-05T04:00", "hour", "Australia/Lord_Howe")
    assert hours == [
        "2025-10-05T01:00:00+10:30",
        "2025-10-05T02:30:00+11:00",
        "2025-10-05T03:00:00+11:00",
    ]


def test_29_february_weeks_and_months() -> None:
    assert starts("2024-02-28T12:00", "2024-03-01T12:00", "day", "UTC") == [
        "2024-02-28T00:00:00+00:00",
        "2024-02-29T00:00:00+00:00",
        "2024-03-01T00:00:00+00:00",
    ]
    assert starts("2024-02-29T00:00", "2024-03-05T00:00", "week", "UTC") == [
        "2024-02-26T00:00:00+00:00",
        "2024-03-04T00:00:00+00:00",
    ]
    assert starts("2023-12-31T00:00", "2024-03-01T00:00", "month", "UTC") == [
        f"{month}-01T00:00:00+00:00" for month in ("2023-12", "2024-01", "2024-02")
    ]


def test_ranges_that_hold_nothing() -> None:
    day = datetime(2025, 1, 1, tzinfo=UTC)
    zone = ZoneInfo("UTC")
    with pytest.raises(EmptyRangeError):
        bucket_starts(day, day, "day", zone)
    with pytest.raises(InvertedRangeError):
        bucket_starts(day, day - timedelta(milliseconds=1), "day", zone)
    with pytest.raises(TooManyBucketsError):
        bucket_starts(day, day.replace(year=2030), "hour", zone)
    with pytest.raises(RangeError):
        bucket_starts(datetime.min.replace(tzinfo=UTC), day, "month", zone)
    with pytest.raises(RangeError):
        bucket_starts(day.replace(tzinfo=None), day.replace(tzinfo=None), "month", zone)


instants = st.datetimes(datetime(2000, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - the zone is `timezones`


@given(
    begin=instants,
    minutes=st.integers(1, 60 * 24 * 400),
    interval=st.sampled_from(["hour", "day", "week", "month"]),
    zone=st.sampled_from(ZONES),
)
def test_buckets_cover_the_range_without_gaps(
    begin: datetime, minutes: int, interval: Interval, zone: str
) -> None:
    end = begin + timedelta(minutes=minutes)
    edges = bucket_starts(begin, end, interval, ZoneInfo(zone))
    longest = {"hour": 1.5, "day": 26, "week": 7 * 24 + 26, "month": 31 * 24 + 26}[interval]
    assert edges == sorted(set(edges))
    assert edges[0] <= begin < edges[0] + timedelta(hours=longest)
    assert edges[-1] < end <= edges[-1] + timedelta(hours=longest)
    for edge, following in pairwise(edges):
        assert following - edge <= timedelta(hours=longest)
        local, before = (
            instant.astimezone(ZoneInfo(zone)) for instant in (following, following - MICROSECOND)
        )
        assert (local.date(), local.hour, local.utcoffset()) != (
            before.date(),
            before.hour,
            before.utcoffset(),
        )


MICROSECOND = timedelta(microseconds=1)
