"""Batches for Kafka of our own: byte by byte aiokafka's, and read by its reader."""

import pytest
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from hypothesis import given
from hypothesis import strategies as st

from ingest.shipper.record_batch import RecordBatch

NOW_MS = 1_790_000_000_000


def aiokafka_s_batch(values: list[bytes], *producer: int) -> bytes:
    builder = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, -1, 1_000_000)
    for number, value in enumerate(values):
        assert builder.append(number, NOW_MS, None, value, []) is not None
    builder.set_producer_state(*producer)
    return bytes(builder.build())


def our_batch(values: list[bytes], *producer: int) -> bytes:
    batch = RecordBatch(values, max_bytes=1_000_000, now_ms=NOW_MS)
    assert (batch.record_count(), batch.closed()) == (len(values), True)
    batch._set_producer_state(*producer)
    size = batch.size()
    built = bytes(batch._build())
    assert (len(built), batch.size(), batch._build()) == (size, size, built)
    return built


@given(
    st.lists(st.binary(max_size=80), min_size=1, max_size=100),
    st.integers(0, 2**63 - 1),
    st.integers(0, 2**15 - 1),
    st.integers(0, 2**31 - 1),
)
def test_it_has_aiokafka_s_bytes(values: list[bytes], producer_id: int, epoch: int, sequence: int) -> None:
    producer = (producer_id, epoch, sequence)
    assert our_batch(values, *producer) == aiokafka_s_batch(values, *producer)


@pytest.mark.parametrize(
    "values",
    [
        [b"x" * size for size in (0, 1, 50, 63, 64, 127, 128, 8_100, 8_191, 8_192, 100_000)],
        [b"%d" % number for number in range(20_000)],
    ],
)
def test_long_values_and_many_have_aiokafka_s_bytes(values: list[bytes]) -> None:
    built = our_batch(values, 7, 0, 3)
    assert built == aiokafka_s_batch(values, 7, 0, 3)
    records = MemoryRecords(built)
    batch = records.next_batch()
    assert batch.validate_crc()
    assert [record.value for record in batch] == values
    assert not records.has_next()


def test_it_takes_as_many_values_as_fit_and_one_at_least() -> None:
    values = [b"x" * 100] * 10
    assert RecordBatch(values, max_bytes=600, now_ms=NOW_MS).record_count() == 4
    assert RecordBatch(values, max_bytes=600, now_ms=NOW_MS).size() <= 600
    assert RecordBatch([b"x" * 1_000, b"y"], max_bytes=600, now_ms=NOW_MS).record_count() == 1
