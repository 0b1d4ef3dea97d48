"""The contract of the Source seam, held against every adapter there is.

An adapter joins with a `Bed`: how events come to its partition, and how a reader of it dies.
"""

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Protocol

import pytest

from edge.settings import SettingsError
from edge.spool import SpoolWriter
from edge.spool_frame import frame
from ingest.sources import open_source
from ingest.sources.source import Fetched, PartitionLostError, Range, Source
from tests.kafka.feeder import KafkaFeeder

WITHIN_S = 180
"""Long, for readers of a group wait for one another."""


class Bed(Protocol):
    """One stream with one partition. Events are appended to it; readers come and go."""

    def append(self, *values: bytes) -> None: ...

    def open(self) -> Source: ...

    async def kill(self, source: Source) -> None:
        """The reader's process dies: nothing is written, whatever it held is free."""
        ...


class SpoolBed:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._writer = SpoolWriter(folder, segment_bytes=4096)

    def append(self, *values: bytes) -> None:
        self._writer.append(b"".join(map(frame, values)))

    def open(self) -> Source:
        return open_source(None, self._folder)

    async def kill(self, source: Source) -> None:
        await source.close()  # writes nothing; what is read ahead must not use files of the next test

    def close(self) -> None:
        self._writer.close()


class KafkaBed:
    """A topic of one partition. Its readers leave the group when they die, so that nobody waits for them."""

    def __init__(self, url: str, folder: Path) -> None:
        self._url = f"{url}&partitions=1"
        self._folder = folder
        self._feeder = KafkaFeeder(self._url)

    def append(self, *values: bytes) -> None:
        self._feeder.send({0: values})

    def open(self) -> Source:
        return open_source(self._url, self._folder)

    async def kill(self, source: Source) -> None:
        await source.close()

    def close(self) -> None:
        self._feeder.close()


@pytest.fixture(params=["spool", pytest.param("kafka", marks=pytest.mark.needs_kafka)])
def bed(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bed]:
    bed: SpoolBed | KafkaBed
    if request.param == "spool":
        bed = SpoolBed(tmp_path)
    else:
        bed = KafkaBed(request.getfixturevalue("kafka_url"), tmp_path)
    yield bed
    bed.close()


@pytest.fixture
async def source(bed: Bed) -> AsyncIterator[Source]:
    source = bed.open()
    yield source
    await source.close()


def events(count: int, first: int = 0) -> list[bytes]:
    return [b'{"n":%d}' % number for number in range(first, first + count)]


def range_of(fetched: Fetched) -> Range:
    return fetched.part(fetched.start, fetched.end)


def values(fetched: Fetched) -> list[bytes]:
    return [record.value for record in fetched.records]


async def fetch_one(source: Source, max_records: int = 1000) -> Fetched:
    [fetched] = await source.fetch(max_records, WITHIN_S)
    return fetched


async def test_what_came_is_fetched_once_and_in_order(bed: Bed, source: Source) -> None:
    bed.append(*events(10))
    fetched = await fetch_one(source)
    assert values(fetched) == events(10)
    assert not fetched.planned
    assert fetched.damaged == 0
    assert await source.fetch(1000, 0) == []


async def test_an_idle_source_answers_empty_when_the_wait_is_over(source: Source) -> None:
    async with asyncio.timeout(WITHIN_S):
        assert await source.fetch(1000, 0.2) == []


async def test_a_fetch_returns_as_soon_as_something_comes(bed: Bed, source: Source) -> None:
    waiting = asyncio.create_task(source.fetch(1000, 10 * WITHIN_S))
    await asyncio.sleep(0)
    bed.append(*events(1))
    async with asyncio.timeout(WITHIN_S):
        [fetched] = await waiting
    assert values(fetched) == events(1)


async def test_no_fetch_gives_more_records_of_a_partition_than_asked_for(bed: Bed, source: Source) -> None:
    bed.append(*events(10))
    batches = [await fetch_one(source, 4) for _ in range(3)]
    assert [len(batch.records) for batch in batches] == [4, 4, 2]
    assert [value for batch in batches for value in values(batch)] == events(10)


async def test_ranges_join_without_gaps_and_end_where_their_last_record_ends(
    bed: Bed, source: Source
) -> None:
    bed.append(*events(9))
    batches = [await fetch_one(source, 3) for _ in range(3)]
    for batch, following in itertools.pairwise(batches):
        assert batch.end == following.start
    for batch in batches:
        positions = [record.next_position for record in batch.records]
        assert positions == sorted(set(positions))
        assert positions[-1] == batch.end


async def test_what_was_committed_is_not_read_again(bed: Bed) -> None:
    bed.append(*events(10))
    first = bed.open()
    fetched = await fetch_one(first, 6)
    await first.plan(range_of(fetched))
    await first.commit(range_of(fetched))
    await bed.kill(first)
    second = bed.open()
    again = await fetch_one(second)
    assert again.start == fetched.end
    assert values(again) == events(4, first=6)
    await second.close()


async def test_what_was_fetched_and_not_committed_is_read_again(bed: Bed) -> None:
    bed.append(*events(10))
    first = bed.open()
    fetched = await fetch_one(first)
    await first.close()
    second = bed.open()
    assert await fetch_one(second) == fetched
    await second.close()


async def test_a_plan_is_handed_to_the_successor_exactly_and_first(bed: Bed) -> None:
    bed.append(*events(10))
    first = bed.open()
    fetched = await fetch_one(first, 6)
    await first.plan(range_of(fetched))
    await bed.kill(first)
    bed.append(*events(5, first=10))
    second = bed.open()
    planned = await fetch_one(second, 2)
    assert planned.planned
    assert range_of(planned).token == range_of(fetched).token
    assert planned.records == fetched.records
    await second.plan(range_of(planned))
    await second.commit(range_of(planned))
    rest: list[bytes] = []
    while len(rest) < 9:  # two of them may have been read ahead, as many as were asked for
        fetched = await fetch_one(second)
        assert not fetched.planned
        rest += values(fetched)
    assert rest == events(9, first=6)
    await second.close()


async def test_a_plan_survives_any_number_of_deaths(bed: Bed) -> None:
    bed.append(*events(10))
    tokens = set()
    for max_records in (7, 3, 1, 9):
        source = bed.open()
        fetched = await fetch_one(source, max_records)
        await source.plan(range_of(fetched))
        tokens.add(range_of(fetched).token)
        await bed.kill(source)
    assert len(tokens) == 1


async def test_a_batch_may_be_a_part_of_what_was_fetched(bed: Bed) -> None:
    bed.append(*events(10))
    first = bed.open()
    fetched = await fetch_one(first)
    middle = fetched.records[4].next_position
    for batch in (
        fetched.part(fetched.start, middle),
        fetched.part(middle, fetched.end),
    ):
        await first.plan(batch)
        await first.commit(batch)
    await first.close()
    second = bed.open()
    assert await second.fetch(1000, 0) == []
    await second.close()


async def test_batches_are_stored_in_turn_and_as_planned(bed: Bed, source: Source) -> None:
    bed.append(*events(10))
    fetched = await fetch_one(source)
    middle = fetched.records[4].next_position
    with pytest.raises(ValueError, match="does not follow"):
        await source.plan(fetched.part(middle, fetched.end))
    with pytest.raises(ValueError, match="does not follow"):
        await source.commit(fetched.part(fetched.start, fetched.end + 1))
    await source.plan(fetched.part(fetched.start, middle))
    with pytest.raises(ValueError, match="was planned"):
        await source.plan(range_of(fetched))
    with pytest.raises(ValueError, match="was planned"):
        await source.commit(range_of(fetched))


async def test_a_partition_that_is_not_ours_is_lost(source: Source) -> None:
    with pytest.raises(PartitionLostError):
        await source.plan(Range("1", 0, 10))
    with pytest.raises(PartitionLostError):
        await source.commit(Range("1", 0, 10))


async def test_a_cancelled_fetch_loses_nothing(bed: Bed, source: Source) -> None:
    found: list[bytes] = []
    for number in range(30):
        bed.append(*events(1, first=number))
        fetch = asyncio.create_task(source.fetch(1000, 60))
        for _ in range(number % 5):
            await asyncio.sleep(0)
        fetch.cancel()
        results: Sequence[Sequence[Fetched] | BaseException]
        results = await asyncio.gather(fetch, return_exceptions=True)
        if not isinstance(results[0], BaseException):
            found += [value for fetched in results[0] for value in values(fetched)]
    while len(found) < 30 and (batch := await source.fetch(1000, WITHIN_S)):
        found += [value for fetched in batch for value in values(fetched)]
    assert found == events(30)
    assert await source.fetch(1000, 0.1) == []


async def test_lag_is_what_has_come_and_is_not_stored(bed: Bed, source: Source) -> None:
    bed.append(*events(10))
    fetched = await fetch_one(source)
    assert source.lag() == fetched.end - fetched.start
    await source.plan(range_of(fetched))
    assert source.lag() > 0
    await source.commit(range_of(fetched))
    assert source.lag() == 0


def test_a_url_that_is_no_good_is_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"\ASMARTLINKS_EVENTS_URL: has no parameter tsl; .*\Z"):
        open_source("kafka://127.0.0.1:9092?tsl=true", tmp_path)
