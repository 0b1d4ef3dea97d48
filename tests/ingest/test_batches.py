"""Cutting: batches cover the range exactly, in order, within a month and a size, and the same every time."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.batches import Batch, cut, decode_records, month_bounds_ms
from ingest.decode import MAX_TS_MS
from ingest.sources.source import Fetched
from tests.ingest.click_events import click_json

JUNE_END_MS = int(datetime(2026, 7, 1, tzinfo=UTC).timestamp()) * 1000


def fetched(times_ms: Sequence[int | None], *, start: int = 100, planned: bool = False) -> Fetched:
    """Records ten positions apart; None is one that is no click. Five more bytes at the end are damaged."""
    values = [
        b"no click" if ts is None else click_json(ts=ts, seq=index + 1) for index, ts in enumerate(times_ms)
    ]
    ends = [start + 10 * (index + 1) for index in range(len(values))]
    return Fetched("7", start, start + 10 * len(values) + 5, values, ends, planned=planned, damaged=1)


def batches_of(source: Fetched, max_rows: int = 1000) -> list[Batch]:
    return cut(source, decode_records(source), max_rows=max_rows)


def test_one_month_is_one_batch_of_the_whole_range() -> None:
    (batch,) = batches_of(fetched([1, 2, None, 3]))
    assert batch.range.token == "7:100-145"
    assert [click.ts_ms for click in batch.clicks] == [1, 2, 3]
    assert [(letter.position, letter.reason) for letter in batch.dead_letters] == [(130, "not_json")]


def test_a_month_ends_a_batch_and_dead_letters_stay_where_they_were() -> None:
    first, second = batches_of(fetched([JUNE_END_MS - 1, None, JUNE_END_MS, JUNE_END_MS + 1]))
    assert (first.range.token, len(first.clicks), len(first.dead_letters)) == ("7:100-120", 1, 1)
    assert (second.range.token, len(second.clicks), len(second.dead_letters)) == ("7:120-145", 2, 0)


def test_size_ends_a_batch() -> None:
    batches = batches_of(fetched([1] * 7), max_rows=3)
    assert [(batch.range.start, batch.range.end, len(batch.clicks)) for batch in batches] == [
        (100, 130, 3),
        (130, 160, 3),
        (160, 175, 1),
    ]


def test_a_planned_range_is_never_cut() -> None:
    source = fetched([JUNE_END_MS - 1, JUNE_END_MS, 5, 6], planned=True)
    (batch,) = batches_of(source, max_rows=2)
    assert (batch.range.start, batch.range.end, len(batch.clicks)) == (100, 145, 4)


def test_a_range_without_clicks_is_still_a_batch_so_that_it_gets_committed() -> None:
    (batch,) = batches_of(fetched([None, None]))
    assert (batch.range.token, batch.clicks, len(batch.dead_letters)) == ("7:100-125", [], 2)
    (batch,) = batches_of(fetched([]))
    assert (batch.range.token, batch.clicks, batch.dead_letters) == ("7:100-105", [], [])
    assert batches_of(Fetched("7", 5, 5, [], [])) == []


@given(st.integers(1, MAX_TS_MS))
def test_month_bounds_are_the_calendar_s(ts_ms: int) -> None:
    start, end = (datetime.fromtimestamp(bound / 1000, UTC) for bound in month_bounds_ms(ts_ms))
    moment = datetime.fromtimestamp(ts_ms // 1000, UTC)
    assert (start.day, start.hour, end.day, end.hour) == (1, 0, 1, 0)
    assert (start.year, start.month) == (moment.year, moment.month)
    assert (end.year * 12 + end.month) - (start.year * 12 + start.month) == 1


_DAY_MS = 86_400_000
_times = st.lists(st.none() | st.integers(-3, 3).map(lambda days: JUNE_END_MS + days * _DAY_MS), max_size=30)


@given(_times, st.integers(1, 5))
def test_any_stream_is_covered_once_in_order_and_cut_the_same_again(
    times_ms: list[int | None], max_rows: int
) -> None:
    source = fetched(times_ms)
    batches = batches_of(source, max_rows)
    assert batches == batches_of(source, max_rows)
    assert [batch.range.start for batch in batches] == [source.start, *(b.range.end for b in batches[:-1])]
    assert batches[-1].range.end == source.end
    clicks = [click for batch in batches for click in batch.clicks]
    assert [click.ts_ms for click in clicks] == [ts for ts in times_ms if ts is not None]
    assert [click.seq for click in clicks] == sorted(click.seq for click in clicks)
    assert sum(len(batch.dead_letters) for batch in batches) == times_ms.count(None)
    for batch in batches:
        assert len(batch.clicks) <= max_rows
        assert len({month_bounds_ms(click.ts_ms) for click in batch.clicks}) <= 1
    # Each batch read again as a planned range is itself: this is what makes a token mean the same for ever.
    for batch in batches:
        start, end = batch.range.start, batch.range.end
        records = [record for record in source.records if start < record.next_position <= end]
        values, ends = [value for value, _ in records], [end for _, end in records]
        again = Fetched(source.partition, start, batch.range.end, values, ends, planned=True)
        assert batches_of(again, max_rows) == [replace(batch, was_planned=True)]


@pytest.mark.parametrize("count", [1, 2])
def test_dead_letters_alone_never_begin_a_batch(count: int) -> None:
    batches = batches_of(fetched([JUNE_END_MS - 1, *[None] * count, JUNE_END_MS]))
    assert [len(batch.dead_letters) for batch in batches] == [count, 0]
