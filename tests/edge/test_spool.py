"""The spool's writer and its framing, against a real disk and real deaths."""

import contextlib
import fcntl
import itertools
import re
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.spool import (
    LOCK_NAME,
    SOURCE_NAME,
    ShortWriteError,
    SpoolWriter,
    cut_records,
    new_source_id,
)
from edge.spool_frame import MAX_LINE_BYTES, frame, unframe

jsons = st.binary(max_size=200).map(lambda raw: raw.replace(b"\n", b" "))


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[SpoolWriter]:
    writer = SpoolWriter(tmp_path, segment_bytes=1000)
    yield writer
    writer.close()


def folder_of(writer: SpoolWriter) -> Path:
    return writer._folder


def segments(writer: SpoolWriter) -> list[Path]:
    return sorted(folder_of(writer).glob("*.log"))


def read_all(writer: SpoolWriter) -> tuple[list[bytes], int]:
    """Every record in the source's segments, and the lines that are damaged."""
    cuts = [cut_records(path.read_bytes(), finished=True) for path in segments(writer)]
    return [json for cut in cuts for json, _ in cut.records], sum(cut.damaged for cut in cuts)


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@contextlib.contextmanager
def limit(what: int, soft: int) -> Iterator[None]:
    before = resource.getrlimit(what)
    resource.setrlimit(what, (soft, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(what, before)


# Framing


@given(jsons)
def test_a_framed_record_is_read_back(json: bytes) -> None:
    line = frame(json)
    assert line.endswith(b"\n")
    assert unframe(line[:-1]) == json


@given(jsons, st.data())
def test_a_line_with_a_changed_byte_is_no_record(json: bytes, data: st.DataObject) -> None:
    line = bytearray(frame(json)[:-1])
    line[data.draw(st.integers(0, len(line) - 1))] ^= data.draw(st.integers(1, 255))
    assert unframe(bytes(line)) is None


@given(st.lists(jsons), st.data())
def test_records_are_the_same_wherever_the_stream_is_cut(values: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(map(frame, values))
    seen = data.draw(st.integers(0, len(stream)))
    first = cut_records(stream[:seen], finished=False)
    second = cut_records(stream[first.consumed :], finished=True)
    assert [json for cut in (first, second) for json, _ in cut.records] == values
    assert first.damaged == second.damaged == 0
    assert first.consumed + second.consumed == len(stream)


@given(st.lists(jsons, min_size=2), st.data())
def test_a_lost_newline_costs_at_most_its_own_record(values: list[bytes], data: st.DataObject) -> None:
    lost = data.draw(st.integers(0, len(values) - 2))
    stream = bytearray(b"".join(map(frame, values)))
    stream[len(b"".join(map(frame, values[: lost + 1]))) - 1] = ord("x")
    cut = cut_records(bytes(stream), finished=True)
    assert [json for json, _ in cut.records] == values[:lost] + values[lost + 1 :]
    assert cut.damaged == 1


def test_a_record_ends_where_its_line_ends() -> None:
    cut = cut_records(frame(b"{}") * 2, finished=False, max_records=1)
    assert (cut.records, cut.consumed) == ([(b"{}", 12)], 12)


def test_the_longest_record_fits_and_a_longer_one_is_refused() -> None:
    longest = b"x" * (MAX_LINE_BYTES - 10)
    assert [json for json, _ in cut_records(frame(longest), finished=False).records] == [longest]
    with pytest.raises(ValueError, match="does not fit"):
        frame(longest + b"x")


def test_garbage_without_a_newline_is_passed_over_piece_by_piece() -> None:
    garbage = b"\0" * (2 * MAX_LINE_BYTES + 5)
    cut = cut_records(garbage + b"\n" + frame(b"{}"), finished=False)
    assert [json for json, _ in cut.records] == [b"{}"]
    assert cut.damaged == 3


# Sources


def test_source_ids_sort_by_birth_and_fit_63_bits() -> None:
    assert new_source_id(1) < new_source_id(2) < 2**63
    assert new_source_id(4_398_046_511_103) < 2**63, "the year 2109"
    assert len({new_source_id(1_800_000_000_000) for _ in range(100)}) > 95


def test_sequence_numbers_count_from_one(writer: SpoolWriter) -> None:
    assert [writer.take_seq() for _ in range(3)] == [1, 2, 3]


def test_every_writer_has_a_source_of_its_own(tmp_path: Path) -> None:
    writers = [SpoolWriter(tmp_path) for _ in range(20)]
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {str(writer.source) for writer in writers}
    assert len(names) == 20
    assert all(SOURCE_NAME.match(name) for name in names)
    for writer in writers:
        writer.close()


def test_the_lock_is_held_until_the_writer_closes(tmp_path: Path) -> None:
    writer = SpoolWriter(tmp_path)
    with (folder_of(writer) / LOCK_NAME).open("r+b") as lock:
        with pytest.raises(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        writer.close()
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


# Appending


def test_segments_roll_over_join_without_gaps_and_split_no_record(writer: SpoolWriter) -> None:
    values = [b'{"n":%d}' % number for number in range(500)]
    for value in values:
        writer.append(frame(value))
    paths = segments(writer)
    assert len(paths) > 5
    for path, following in itertools.pairwise(paths):
        assert int(path.stem) + path.stat().st_size == int(following.stem)
        assert 1000 <= path.stat().st_size < 1000 + 30
    assert read_all(writer) == (values, 0)


def test_what_a_power_cut_could_take_is_known_until_it_is_synced(writer: SpoolWriter) -> None:
    files_before = open_files()
    for _ in range(500):
        writer.append(frame(b"{}"))
    assert writer.unsynced_bytes == 500 * 12
    writer.sync()
    assert writer.unsynced_bytes == writer.unstarted_bytes == 0
    writer.append(frame(b"{}"))
    writer.start_writing()
    assert writer.unstarted_bytes == 0 < writer.unsynced_bytes
    assert open_files() == files_before, "rolled segments stay open after a sync"


def test_syncing_in_another_thread_disturbs_no_append(writer: SpoolWriter) -> None:
    done = threading.Event()

    def sync() -> None:
        while not done.is_set():
            writer.start_writing()
            writer.sync()

    thread = threading.Thread(target=sync)
    thread.start()
    values = [b'{"n":%d}' % number for number in range(5000)]
    for value in values:
        writer.append(frame(value))
    done.set()
    thread.join()
    assert read_all(writer) == (values, 0)


# A disk that refuses (a file size limit fails as a full disk does: a short write, then an error)


@pytest.mark.parametrize("room", range(1, 61))
def test_a_short_write_says_how_many_records_it_took(tmp_path: Path, room: int) -> None:
    writer = SpoolWriter(tmp_path)
    with limit(resource.RLIMIT_FSIZE, room):
        if room == 60:
            writer.append(frame(b"{}") * 5)
        else:
            with pytest.raises(ShortWriteError) as caught:
                writer.append(frame(b"{}") * 5)
            assert caught.value.records == room // 12
    writer.append(frame(b'{"after":1}'))
    assert read_all(writer) == ([b"{}"] * (room // 12) + [b'{"after":1}'], int(room % 12 > 0))
    writer.close()


def test_a_refused_write_leaves_nothing_behind(writer: SpoolWriter) -> None:
    writer.append(frame(b"{}"))
    with limit(resource.RLIMIT_FSIZE, 12), pytest.raises(OSError, match="File too large") as caught:
        writer.append(frame(b'{"dropped":1}'))
    assert not isinstance(caught.value, ShortWriteError)
    writer.append(frame(b'{"after":1}'))
    assert read_all(writer) == ([b"{}", b'{"after":1}'], 0)


def test_a_segment_that_cannot_be_followed_grows_on(writer: SpoolWriter) -> None:
    writer.append(frame(b'{"a":"%b"}' % (b"x" * 1000)))
    with limit(resource.RLIMIT_NOFILE, 3):
        writer.append(frame(b"{}"))
    assert len(segments(writer)) == 1
    writer.append(frame(b"{}"))
    assert len(segments(writer)) == 2
    assert read_all(writer)[1] == 0


def test_nothing_follows_a_fragment_in_its_segment(writer: SpoolWriter) -> None:
    with limit(resource.RLIMIT_FSIZE, 11), pytest.raises(ShortWriteError):
        writer.append(frame(b"{}"))
    with limit(resource.RLIMIT_NOFILE, 3), pytest.raises(OSError, match="Too many open files"):
        writer.append(frame(b'{"dropped":1}'))
    writer.append(frame(b'{"after":1}'))
    assert read_all(writer) == ([b'{"after":1}'], 1)


# Death

APPEND_FOR_EVER = """
import sys
from pathlib import Path
from edge.spool import SpoolWriter
from edge.spool_frame import frame
writer = SpoolWriter(Path(sys.argv[1]), segment_bytes=50_000)
while True:
    seq = writer.take_seq()
    writer.append(frame(b'{"seq":%d,"padding":"%b"}' % (seq, b"x" * (seq % 700))))
    sys.stdout.write(f"{seq}\\n")
    sys.stdout.flush()
"""


@pytest.mark.drill
@pytest.mark.parametrize("appends", [1, 100, 1000, 3000])
def test_what_append_returned_from_survives_kill_9(tmp_path: Path, appends: int) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", APPEND_FOR_EVER, str(tmp_path)],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    for _ in range(appends):
        process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    answered = appends + len(re.findall(r"\n", process.stdout.read()))
    process.wait()
    process.stdout.close()
    [folder] = tmp_path.iterdir()
    with (folder / LOCK_NAME).open("r+b") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    cuts = [cut_records(path.read_bytes(), finished=True) for path in sorted(folder.glob("*.log"))]
    spooled = [int(json.split(b",")[0].split(b":")[1]) for cut in cuts for json, _ in cut.records]
    assert spooled == list(range(1, len(spooled) + 1))
    assert answered <= len(spooled) <= answered + 1
