"""Dead letters are listed, mended, replayed and discarded; each is counted once, whoever dies in between."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest

from aggregator.contract import (
    Origin,
    ask_for_discard,
    ask_for_replay,
    find_letters,
    list_dead_letters,
    parse_origin,
    read_ledger,
)
from aggregator.replay import settle_dead_letters
from ingest.batches import DeadLetter
from ingest.contract import CursorError, ReplayEnrichment, Warehouse, erase_named
from ingest.dead_letters import DeadLetters
from ingest.decode import decode
from ingest.sources.source import Range
from tests.fixtures.clicks import insert_clicks
from tests.ingest.click_events import NOON_MS, click_event, click_json

SOURCE = 2_079_283_823_847
NO_SPOOL = Path("/nonexistent")
NEXT_MONTH_MS = NOON_MS + 31 * 86_400_000


@pytest.fixture
def enrichment(tmp_path: Path, warehouse: Warehouse) -> ReplayEnrichment:
    return ReplayEnrichment(data_dir=tmp_path, geoip_path=None, warehouse=warehouse)


def put_letters(warehouse: Warehouse, values: Sequence[bytes]) -> list[Origin]:
    letters = [DeadLetter(100 * at, "wrong_value", "no", value) for at, value in enumerate(values, 1)]
    DeadLetters(warehouse).write(Range(str(SOURCE), 0, 100 * len(values)), letters)
    return [(str(SOURCE), letter.position) for letter in letters]


def bad_click(seq: int, **fields: Any) -> bytes:
    return click_json(source=SOURCE, seq=seq, method="PUT", **fields)


def good_click(seq: int, **fields: Any) -> bytes:
    return click_json(source=SOURCE, seq=seq, **fields)


def replay(warehouse: Warehouse, mended: Mapping[Origin, bytes], request_id: str = "r") -> int:
    letters = find_letters(warehouse, origins=list(mended), reason=None)
    asked, _ = ask_for_replay(warehouse, letters, mended, now_ms=NOON_MS, request_id=request_id)
    return asked


def seqs_stored(warehouse: Warehouse) -> list[tuple[str]]:
    return warehouse.query("SELECT code FROM clicks ORDER BY code")


def test_letters_are_listed_in_pages_by_reason(warehouse: Warehouse) -> None:
    put_letters(warehouse, [b"\xff", b"{}", b"[]"])
    first, cursor = list_dead_letters(warehouse, reason=None, limit=2, cursor=None)
    rest, end = list_dead_letters(warehouse, reason=None, limit=2, cursor=cursor)
    assert [(each.origin, each.value, each.value_hex) for each in first + rest] == [
        (f"{SOURCE}:100", None, "ff"),
        (f"{SOURCE}:200", "{}", None),
        (f"{SOURCE}:300", "[]", None),
    ]
    assert end is None
    assert list_dead_letters(warehouse, reason="not_json", limit=2, cursor=None) == ([], None)
    with pytest.raises(CursorError):
        list_dead_letters(warehouse, reason=None, limit=2, cursor="!")


@pytest.mark.parametrize("text", ["", ":1", "7", "7:", "7:x", "7:-1", f"7:{2**64}"])
def test_what_is_no_origin_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="partition and a position"):
        parse_origin(text)


def test_mended_letters_become_clicks_once(warehouse: Warehouse, enrichment: ReplayEnrichment) -> None:
    origins = put_letters(warehouse, [bad_click(1, code="aaaa"), bad_click(2, code="bbbb"), b"\xff"])
    mended = {
        origins[0]: good_click(1, code="aaaa"),
        origins[1]: good_click(2, code="bbbb", ts=NEXT_MONTH_MS),
    }
    assert replay(warehouse, mended, "one") == 2
    assert replay(warehouse, mended, "two") == 0  # asked already
    assert [settle_dead_letters(warehouse, enrichment) for _ in range(3)] == [2, 0, 0]
    assert replay(warehouse, mended, "three") == 0  # done already
    assert settle_dead_letters(warehouse, enrichment) == 0
    assert seqs_stored(warehouse) == [("aaaa",), ("bbbb",)]
    ledger = read_ledger(warehouse, NO_SPOOL)
    assert (ledger.account.answered, ledger.stored, ledger.replayed) == (3, 0, 2)
    assert (ledger.letters_open, ledger.letters_replayed, ledger.not_spooled) == (1, 2, 0)
    assert ledger.is_balanced, ledger.differences
    assert warehouse.query("SELECT count() FROM dead_letter_outcomes WHERE value != ''") == [(0,)]
    assert warehouse.query("SELECT count() FROM dead_letter_requests") == [(0,)]


def test_what_is_still_no_click_is_refused(warehouse: Warehouse, enrichment: ReplayEnrichment) -> None:
    origins = put_letters(warehouse, [bad_click(1), b"[]"])
    letters = find_letters(warehouse, origins=None, reason="wrong_value")
    asked, refusals = ask_for_replay(warehouse, letters, {}, now_ms=NOON_MS, request_id="r")
    assert asked == 0
    assert [(each.origin, each.reason) for each in refusals] == [
        (f"{SOURCE}:100", "wrong_value"),
        (f"{SOURCE}:200", "not_an_object"),
    ]
    assert settle_dead_letters(warehouse, enrichment) == 0
    assert find_letters(warehouse, origins=origins, reason=None).keys() == set(origins)


def test_discarded_letters_are_gone_and_stay_in_the_account(
    warehouse: Warehouse, enrichment: ReplayEnrichment
) -> None:
    origins = put_letters(warehouse, [bad_click(1), bad_click(2)])
    letters = find_letters(warehouse, origins=origins[:1], reason=None)
    assert ask_for_discard(warehouse, letters, now_ms=NOON_MS, request_id="r") == 1
    settle_dead_letters(warehouse, enrichment)
    assert warehouse.query("SELECT position FROM dead_letters") == [(200,)]
    ledger = read_ledger(warehouse, NO_SPOOL)
    assert (ledger.account.answered, ledger.letters_open, ledger.letters_discarded) == (2, 1, 1)
    assert ledger.is_balanced


class DyingWarehouse:
    """Dies at the nth statement that changes anything, before or after doing it."""

    def __init__(self, warehouse: Warehouse, nth: int, *, after: bool) -> None:
        self._warehouse = warehouse
        self._left = nth
        self._after = after

    def insert(self, table: str, columns: Mapping[str, Sequence[object]], *, token: str) -> None:
        self._run(lambda: self._warehouse.insert(table, columns, token=token))

    def command(self, sql: str, parameters: Mapping[str, object] | None = None) -> None:
        self._run(lambda: self._warehouse.command(sql, parameters))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._warehouse, name)

    def _run(self, statement: Callable[[], None]) -> None:
        self._left -= 1
        if self._left == 0 and not self._after:
            raise KeyboardInterrupt
        statement()
        if self._left == 0:
            raise KeyboardInterrupt


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("nth", [1, 2, 3, 4, 5, 6])
def test_who_dies_while_replaying_is_made_good(
    warehouse: Warehouse, enrichment: ReplayEnrichment, nth: int, *, after: bool
) -> None:
    origins = put_letters(warehouse, [bad_click(1, code="aaaa"), bad_click(2, code="bbbb")])
    replay(warehouse, {origin: good_click(at, code="aaaa") for at, origin in enumerate(origins, 1)})
    dying: Any = DyingWarehouse(warehouse, nth, after=after)
    with pytest.raises(KeyboardInterrupt):
        settle_dead_letters(dying, enrichment)
    settle_dead_letters(warehouse, enrichment)
    assert seqs_stored(warehouse) == [("aaaa",), ("aaaa",)]
    ledger = read_ledger(warehouse, NO_SPOOL)
    assert (ledger.replayed, ledger.letters_replayed, ledger.rows, ledger.in_rollup) == (2, 2, 2, 2)
    assert ledger.is_balanced, ledger.differences
    for table in ("dead_letters", "dead_letter_requests"):
        assert warehouse.query(f"SELECT count() FROM {table}") == [(0,)]


@pytest.mark.drill
def test_one_event_in_a_thousand_poisoned(warehouse: Warehouse, enrichment: ReplayEnrichment) -> None:
    events = 20_000
    poisoned = {seq: bad_click(seq, code=f"c{seq}") for seq in range(1, events + 1) if seq % 1_000 == 7}
    good = [
        {"source": SOURCE, "seq": seq, "ts": NOON_MS} for seq in range(1, events + 1) if seq not in poisoned
    ]
    insert_clicks(warehouse, good, "good")
    put_letters(warehouse, list(poisoned.values()))
    ledger = read_ledger(warehouse, NO_SPOOL)
    assert (ledger.account.answered, ledger.stored, ledger.letters_open) == (events, events - 20, 20)
    letters = find_letters(warehouse, origins=None, reason=None)
    mended = {
        origin: orjson.dumps({**orjson.loads(value), "method": "GET"}) for origin, value in letters.items()
    }
    assert ask_for_replay(warehouse, letters, mended, now_ms=NOON_MS, request_id="r") == (20, [])
    assert settle_dead_letters(warehouse, enrichment) == 20
    ledger = read_ledger(warehouse, NO_SPOOL)
    assert (ledger.rows, ledger.in_rollup, ledger.replayed, ledger.not_spooled) == (events, events, 20, 0)
    assert ledger.is_balanced
    stored = warehouse.query("SELECT code FROM clicks WHERE code != '' ORDER BY code")
    assert [code for (code,) in stored] == sorted(decode(value).code for value in mended.values())


def test_a_person_s_letters_are_erased_and_nobody_else_s(warehouse: Warehouse) -> None:
    values = [
        bad_click(1, code="AAAAAAA1", tenant="acme"),
        bad_click(2, code="AAAAAAA2", tenant="acme", ua="AAAAAAA1"),
        bad_click(3, code="AAAAAAA1", tenant="other"),
        b'{"code":"AAAAAAA1","torn',
        b'{"code":"AAAAAAA12","torn',
        orjson.dumps({**click_event(), "code": 7}),
    ]
    put_letters(warehouse, values)
    warehouse.insert(
        "recipient_erasures",
        {
            "tenant": ["acme"],
            "id": ["e"],
            "link": [1],
            "domain": ["d"],
            "code": ["AAAAAAA1"],
            "asked_at": [1],
        },
        token="e",
    )
    for _ in range(2):
        erase_named(warehouse, "acme", "e")
    kept = warehouse.query("SELECT position FROM dead_letters ORDER BY position")
    assert kept == [(200,), (300,), (500,), (600,)]
    assert read_ledger(warehouse, NO_SPOOL).is_balanced
