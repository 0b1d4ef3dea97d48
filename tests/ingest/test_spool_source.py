"""The spool as a source: what is its own beside the contract. Files, dead writers, damage, power cuts."""

import logging
import os
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.spool import SpoolWriter
from edge.spool_frame import MAX_LINE_BYTES, frame
from ingest.sources.source import Fetched, Range
from ingest.sources.spool import FETCH_BYTES, READER_LOCK_NAME, SpoolInUseError, SpoolSource
from ingest.sources.spool_position import POSITION_NAME

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[SpoolWriter]:
    writer = SpoolWriter(tmp_path, segment_bytes=1000)
    yield writer
    if writer._lock_fd >= 0:
        writer.close()


def die(writer: SpoolWriter) -> None:
    """As kill -9 would: descriptors are gone, nothing is written."""
    for fd in (*writer._retired, writer._fd, writer._lock_fd):
        os.close(fd)
    writer._lock_fd = -1


def folder_of(writer: SpoolWriter) -> Path:
    return writer._folder


def names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def segments(writer: SpoolWriter) -> list[Path]:
    return sorted(folder_of(writer).glob("*.log"))


async def store(source: SpoolSource, fetched: Fetched) -> None:
    batch = Range(fetched.partition, fetched.start, fetched.end)
    await source.plan(batch)
    await source.commit(batch)


async def store_all(source: SpoolSource) -> tuple[list[bytes], int]:
    """Everything there is, stored; and how much of it was damaged."""
    values: list[bytes] = []
    damaged = 0
    while batch := await source.fetch(1000, 0):
        for fetched in batch:
            values += [record.value for record in fetched.records]
            damaged += fetched.damaged
            await store(source, fetched)
    return values, damaged


async def test_a_dead_source_is_removed_once_it_is_stored(tmp_path: Path, writer: SpoolWriter) -> None:
    writer.append(frame(b"{}"))
    die(writer)
    source = SpoolSource(tmp_path)
    [fetched] = await source.fetch(1000, 0)
    await source.fetch(1000, 0)
    assert folder_of(writer).exists(), "removed before it was stored"
    await store(source, fetched)
    await source.fetch(1000, 0)
    assert names_in(tmp_path) == [READER_LOCK_NAME]
    await source.close()


async def test_a_living_source_stays_when_it_is_stored(tmp_path: Path, writer: SpoolWriter) -> None:
    writer.append(frame(b"{}"))
    source = SpoolSource(tmp_path)
    assert await store_all(source) == ([b"{}"], 0)
    writer.append(frame(b'{"n":2}'))
    assert await store_all(source) == ([b'{"n":2}'], 0)
    assert folder_of(writer).exists()
    await source.close()


async def test_segments_are_deleted_after_their_commit_and_never_the_last(
    tmp_path: Path, writer: SpoolWriter
) -> None:
    for _ in range(400):
        writer.append(frame(b"{}"))
    before = segments(writer)
    source = SpoolSource(tmp_path)
    [fetched] = await source.fetch(1000, 0)
    await source.plan(Range(fetched.partition, fetched.start, fetched.end))
    assert segments(writer) == before, "deleted before the commit"
    await source.commit(Range(fetched.partition, fetched.start, fetched.end))
    assert segments(writer) == before[-1:]
    await source.close()


async def test_a_torn_end_waits_for_a_living_writer_and_is_damage_of_a_dead_one(
    tmp_path: Path, writer: SpoolWriter
) -> None:
    writer.append(frame(b"{}"))
    os.write(writer._fd, frame(b'{"torn":1}')[:-1])
    source = SpoolSource(tmp_path)
    assert await store_all(source) == ([b"{}"], 0)
    die(writer)
    assert await store_all(source) == ([], 1), "only its newline is missing, but its caller never heard of it"
    assert not folder_of(writer).exists()
    await source.close()


def open_in_another_process(folder: Path) -> str:
    """What it says to stderr."""
    program = "import sys, pathlib, ingest.sources as s; s.open_source(None, pathlib.Path(sys.argv[1]))"
    opened = subprocess.run(
        [sys.executable, "-c", program, str(folder)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    return opened.stderr


async def test_a_spool_has_one_reader(tmp_path: Path) -> None:
    source = SpoolSource(tmp_path)
    with pytest.raises(SpoolInUseError, match="stop it, or choose another SMARTLINKS_DATA_DIR"):
        SpoolSource(tmp_path)
    assert "SpoolInUseError" in open_in_another_process(tmp_path)
    await source.close()
    await SpoolSource(tmp_path).close()


async def test_garbage_without_a_newline_is_bounded_in_memory_and_costs_nothing_else(
    tmp_path: Path, writer: SpoolWriter
) -> None:
    writer.append(frame(b"{}"))
    zeros = b"\0" * MAX_LINE_BYTES
    for _ in range(40):
        os.write(writer._fd, zeros)
    os.write(writer._fd, b"\n")
    writer._end += 40 * len(zeros) + 1
    writer.append(frame(b'{"after":1}'))
    source = SpoolSource(tmp_path)
    tracemalloc.start()
    assert await store_all(source) == ([b"{}", b'{"after":1}'], 41)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 6 * MAX_LINE_BYTES
    await source.close()


async def test_a_fetch_is_bounded_in_bytes_over_all_sources_and_starves_none(tmp_path: Path) -> None:
    writers = [SpoolWriter(tmp_path) for _ in range(3)]
    for writer in writers:
        for _ in range(FETCH_BYTES // 500_000 + 2):
            writer.append(frame(b'"%b"' % (b"x" * 500_000)))
    source = SpoolSource(tmp_path)
    seen = set()
    for _ in range(3):
        batch = await source.fetch(10**6, 0)
        assert sum(fetched.end - fetched.start for fetched in batch) < FETCH_BYTES + 3 * MAX_LINE_BYTES
        seen |= {fetched.partition for fetched in batch}
    assert len(seen) == 3
    await source.close()
    for writer in writers:
        writer.close()


async def test_a_damaged_position_is_left_alone_and_the_others_are_read(
    tmp_path: Path, writer: SpoolWriter, caplog: pytest.LogCaptureFixture
) -> None:
    writer.append(frame(b"{}"))
    (folder_of(writer) / POSITION_NAME).write_bytes(b'{"position": 1')
    other = SpoolWriter(tmp_path)
    other.append(frame(b'{"other":1}'))
    source = SpoolSource(tmp_path)
    with caplog.at_level(logging.ERROR):
        assert await store_all(source) == ([b'{"other":1}'], 0)
    [entry] = caplog.records
    assert f"{folder_of(writer) / POSITION_NAME} is damaged" in entry.message
    assert folder_of(writer).exists()
    await source.close()
    other.close()


async def test_a_power_cut_that_took_stored_bytes_is_harmless(tmp_path: Path, writer: SpoolWriter) -> None:
    writer.append(frame(b"{}") * 3)
    source = SpoolSource(tmp_path)
    await store_all(source)
    await source.close()
    die(writer)
    os.truncate(segments(writer)[0], 5)
    source = SpoolSource(tmp_path)
    assert await store_all(source) == ([], 0)
    assert not folder_of(writer).exists()
    await source.close()


async def test_bytes_that_a_power_cut_took_from_the_middle_are_counted(
    tmp_path: Path, writer: SpoolWriter, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(100):
        writer.append(frame(b'{"n":%d}' % number))
    die(writer)
    first = segments(writer)[0]
    os.truncate(first, len(frame(b'{"n":0}')) * 2)
    source = SpoolSource(tmp_path)
    values, damaged = await store_all(source)
    kept = [b'{"n":%d}' % number for number in range(100)]
    assert values[:2] == kept[:2]
    assert values[2:] == kept[-len(values[2:]) :]
    assert damaged == 1
    assert "has lost" in caplog.text
    await source.close()


async def test_a_plan_whose_bytes_a_power_cut_took_keeps_its_token(
    tmp_path: Path, writer: SpoolWriter
) -> None:
    writer.append(frame(b"{}") * 3)
    source = SpoolSource(tmp_path)
    [fetched] = await source.fetch(1000, 0)
    await source.plan(Range(fetched.partition, fetched.start, fetched.end))
    await source.close()
    die(writer)
    os.truncate(segments(writer)[0], 12)
    source = SpoolSource(tmp_path)
    [planned] = await source.fetch(1000, 0)
    assert planned.planned
    assert (planned.start, planned.end) == (fetched.start, fetched.end)
    assert [record.value for record in planned.records] == [b"{}"]
    assert planned.damaged == 1
    await store(source, planned)
    assert await store_all(source) == ([], 0)
    assert not folder_of(writer).exists()
    await source.close()


async def test_a_half_removed_source_is_removed_at_the_next_start(
    tmp_path: Path, writer: SpoolWriter
) -> None:
    writer.append(frame(b"{}"))
    die(writer)
    removed = folder_of(writer).with_suffix(".removed")
    folder_of(writer).rename(removed)
    source = SpoolSource(tmp_path)
    assert await store_all(source) == ([], 0)
    assert not removed.exists()
    await source.close()


async def test_a_disk_that_fails_one_source_is_heard_of_and_holds_up_no_other(
    tmp_path: Path, writer: SpoolWriter
) -> None:
    other = SpoolWriter(tmp_path)
    source = SpoolSource(tmp_path)
    segments(writer)[0].unlink()
    (folder_of(writer) / "00000000000000000000.log").mkdir()  # opens, and fails to be read
    other.append(frame(b"{}"))
    [fetched] = await source.fetch(1000, 0)
    assert [record.value for record in fetched.records] == [b"{}"]
    with pytest.raises(OSError, match="directory"):
        await source.fetch(1000, 0)
    await source.close()
    other.close()
