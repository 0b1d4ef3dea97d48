"""A naive model of the spool runs in lockstep with the real one over random actions.

The model knows which bytes belong to which record, and which of them were torn or flipped. Whatever the
order of appends, kills, damage, plans, inserts and commits: a record none of whose bytes was touched is
stored exactly once, nothing is stored twice, nothing is stored that was not appended, and where something
is missing, damage was counted.
"""

import contextlib
import os
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from edge.spool import SpoolWriter, segment_name
from edge.spool_frame import frame
from ingest.sources.source import Fetched, Range
from ingest.sources.spool import SpoolSource

SEGMENT_BYTES = 160

payloads = st.lists(st.text("abc{} 0123456789", max_size=30), min_size=1, max_size=4)


@dataclass
class Record:
    start: int
    end: int
    json: bytes
    touched: bool = False


@dataclass
class ModelSource:
    """What a writer has appended, and how long its files are by now."""

    end: int = 0
    records: list[Record] = field(default_factory=list)

    def append(self, json: bytes) -> None:
        line = frame(json)
        self.records.append(Record(self.end, self.end + len(line), json))
        self.end += len(line)

    def touch(self, start: int, end: int) -> None:
        for record in self.records:
            if record.start < end and start < record.end:
                record.touched = True


class SpoolLockstep(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="spool-"))
        self.sources: dict[str, ModelSource] = {}
        self.warehouse: dict[str, list[bytes]] = {}
        self.fetched: list[Fetched] = []
        self.damaged = self.harm = self.appended = 0
        self.writer: SpoolWriter | None = None
        self.reader = SpoolSource(self.folder)
        self.start_writer()

    # The writer

    @precondition(lambda self: self.writer is None)
    @rule()
    def start_writer(self) -> None:
        self.writer = SpoolWriter(self.folder, segment_bytes=SEGMENT_BYTES)
        self.sources[str(self.writer.source)] = ModelSource()

    @precondition(lambda self: self.writer is not None)
    @rule(texts=payloads)
    def append(self, texts: list[str]) -> None:
        jsons = [self.json(text) for text in texts]
        self.writer.append(b"".join(map(frame, jsons)))
        for json in jsons:
            self.model.append(json)

    @precondition(lambda self: self.writer is not None)
    @rule(text=st.text("abc", max_size=9), seen=st.integers(1, 9))
    def append_while_it_is_read(self, text: str, seen: int) -> None:
        """The reader may see the first bytes of a write before the last ones."""
        json = self.json(text)
        line = frame(json)
        os.write(self.writer._fd, line[:seen])
        self.fetch(5)
        os.write(self.writer._fd, line[seen:])
        self.writer._end += len(line)
        self.model.append(json)

    @precondition(lambda self: self.writer is not None)
    @rule(texts=payloads, kept=st.integers(0, 200))
    def kill_in_the_middle_of_an_append(self, texts: list[str], kept: int) -> None:
        model = self.model
        frames = [frame(self.json(text)) for text in texts]
        torn = b"".join(frames)[:kept]
        os.write(self.writer._fd, torn)
        for line in frames:
            model.append(line[9:-1])
        written_end = model.records[-len(frames)].start + len(torn)
        model.touch(written_end, model.end)
        model.end = written_end
        self.harm += 1
        self.kill_writer()

    @precondition(lambda self: self.writer is not None)
    @rule()
    def kill_writer(self) -> None:
        for fd in (*self.writer._retired, self.writer._fd, self.writer._lock_fd):
            os.close(fd)
        self.writer = None

    @precondition(lambda self: self.writer is not None)
    @rule()
    def start_writing(self) -> None:
        self.writer.start_writing()

    @precondition(lambda self: self.writer is not None)
    @rule()
    def close_writer(self) -> None:
        self.writer.sync()
        assert self.writer.unsynced_bytes == 0
        self.writer.close()
        self.writer = None

    # Damage

    @rule(data=st.data())
    def flip_a_byte(self, data: st.DataObject) -> None:
        """Anywhere that is not yet fetched or planned: what was read is out of the disk's hands."""
        name, low = self.draw_source(data)
        model = self.sources[name]
        if not model.records:
            return
        record = data.draw(st.sampled_from(model.records), "record")
        at = data.draw(st.sampled_from([record.start, record.start + 12, record.end - 1]), "byte")
        path = self.segment_with(name, at)
        if at < low or path is None or at - int(path.stem) >= path.stat().st_size:
            return
        with path.open("r+b") as file:
            file.seek(at - int(path.stem))
            byte = file.read(1)[0]
            file.seek(-1, os.SEEK_CUR)
            file.write(bytes([byte ^ data.draw(st.integers(1, 255), "mask")]))
        model.touch(at, at + 1)
        self.harm += 1

    @precondition(lambda self: self.writer is None)
    @rule(data=st.data())
    def lose_the_end_of_a_segment_by_a_power_cut(self, data: st.DataObject) -> None:
        name, _ = self.draw_source(data)
        at = data.draw(st.integers(0, self.sources[name].end), "byte")
        path = self.segment_with(name, at)
        if path is None:
            return
        size = path.stat().st_size
        if at - int(path.stem) < size:
            os.truncate(path, at - int(path.stem))
            self.sources[name].touch(at, int(path.stem) + size)
            self.harm += 1

    # The reader

    @rule(max_records=st.integers(1, 5))
    def fetch(self, max_records: int) -> None:
        births = list(self.sources)  # source ids are random: a run must not depend on their order
        for fetched in sorted(
            self.reader._fetch_all(max_records), key=lambda one: births.index(one.partition)
        ):
            assert len(fetched.records) <= max_records or fetched.planned
            self.damaged += fetched.damaged
            self.fetched.append(fetched)

    @precondition(lambda self: self.fetched)
    @rule(dies=st.sampled_from(["never", "after plan", "after insert"]))
    def store(self, dies: str) -> None:
        fetched = self.fetched.pop(0)
        batch = Range(fetched.partition, fetched.start, fetched.end)
        self.reader._plan(batch)
        if dies == "after plan":
            return self.restart_reader()
        rows = [record.value for record in fetched.records]
        self.warehouse.setdefault(batch.token, rows)
        if dies == "after insert":
            return self.restart_reader()
        self.reader._commit(batch)
        return None

    @rule()
    def restart_reader(self) -> None:
        self.drop_reader()
        self.fetched.clear()
        self.reader = SpoolSource(self.folder)

    # The end

    def teardown(self) -> None:
        if self.writer is not None:
            self.kill_writer()
        self.restart_reader()
        for _ in range(1000):
            self.fetch(3)
            if not self.fetched:
                break
            while self.fetched:
                self.store("never")
        self.drop_reader()
        left = [path.name for path in self.folder.iterdir()]
        shutil.rmtree(self.folder)
        assert left == ["reader.lock"]
        self.check_the_account()

    def check_the_account(self) -> None:
        stored = [json for rows in self.warehouse.values() for json in rows]
        records = [record for model in self.sources.values() for record in model.records]
        assert len(stored) == len(set(stored)), "stored twice"
        assert set(stored) <= {record.json for record in records}, "invented"
        missing = {record.json for record in records if not record.touched} - set(stored)
        assert not missing, "lost without a touched byte"
        if len(stored) < len(records):
            assert self.harm
        if not self.harm:
            assert not self.damaged
        for name, model in self.sources.items():
            order = [record.json for record in model.records if record.json in set(stored)]
            ranges = sorted(
                (int(token.split(":")[1].split("-")[0]), rows)
                for token, rows in self.warehouse.items()
                if token.startswith(f"{name}:")
            )
            assert [json for _, rows in ranges for json in rows] == order, "out of order"

    # What the rules share

    @property
    def model(self) -> ModelSource:
        return self.sources[str(self.writer.source)]

    def json(self, text: str) -> bytes:
        self.appended += 1
        return b'{"n":%d,"text":"%b"}' % (self.appended, text.encode())

    def draw_source(self, data: st.DataObject) -> tuple[str, int]:
        """A source, and the position up to which it has been fetched or planned."""
        name = list(self.sources)[data.draw(st.sampled_from(range(len(self.sources))), "source")]
        partition = self.reader._partitions.get(name)
        if partition is None:
            return name, 0
        plan = partition._position.plan
        return name, max(partition._read_to, plan[1] if plan else 0)

    def segment_with(self, name: str, at: int) -> Path | None:
        starts = [int(path.stem) for path in (self.folder / name).glob("*.log")]
        start = max((start for start in starts if start <= at), default=None)
        return None if start is None else self.folder / name / segment_name(start)

    def drop_reader(self) -> None:
        for partition in self.reader._partitions.values():
            with contextlib.suppress(OSError):
                partition.close()
        os.close(self.reader._lock_fd)


TestSpoolLockstep = pytest.mark.drill(SpoolLockstep.TestCase)
TestSpoolLockstep.settings = settings(
    max_examples=120,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
