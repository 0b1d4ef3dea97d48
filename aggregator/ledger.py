"""The ledger: the account of every click that was answered, and whether it balances.

What the edge counts in memory dies with it; what lasts is the sequence number. A worker numbers every click
that it answers, spooled or not, so of each source

    last number = stored + dead letters + damaged + never spooled + on the way

and the warehouse keeps all but the last two for ever (`click_sources`, `dead_letters`,
`dead_letter_outcomes`, `passed_over_records`). What is on the way is read off the spools of this machine.
More stored than answered is a click counted twice, and never balances.

On the stored side, every click ever stored is a row now, or was removed and noted; and the rollups have
counted as many.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ingest.contract import Warehouse, read_last_seqs

# A batch may be between its table and its views while they are counted.
LOOKS: Final = 4
LOOK_AGAIN_S: Final = 0.25

_SOURCES: Final = """
SELECT source, max(last_clicks) AS last_click, max(last_letters) AS last_letter,
    sum(stored) AS stored, sum(letters) AS letters, sum(unnumbered) AS unnumbered
FROM (
    SELECT source, max(last_seq) AS last_clicks, 0 AS last_letters, sum(clicks) AS stored,
        0 AS letters, 0 AS unnumbered
    FROM click_sources GROUP BY source
    UNION ALL
    SELECT source, 0, max(seq), 0, count(), countIf(seq = 0)
    FROM (
        SELECT partition, position, max(source) AS source, max(seq) AS seq
        FROM (
            SELECT partition, position, source, seq FROM dead_letters
            UNION ALL
            SELECT partition, position, source, seq FROM dead_letter_outcomes
        )
        GROUP BY partition, position
    )
    GROUP BY source
)
GROUP BY source
"""

_TOTALS: Final = """
SELECT
    (SELECT count() FROM clicks) AS rows,
    (SELECT sum(clicks) FROM click_changes WHERE scope = 'tenant') AS in_rollup,
    (SELECT countIf(reason = 'erased') FROM removed_clicks FINAL) AS erased,
    (SELECT countIf(reason = 'expired') FROM removed_clicks FINAL) AS expired,
    (SELECT countIf(reason = 'repeated') FROM removed_clicks FINAL) AS reported_twice,
    (SELECT sum(records) FROM passed_over_records FINAL WHERE reason = 'damaged') AS damaged,
    (SELECT sum(records) FROM passed_over_records FINAL WHERE reason = 'repeated') AS repeated
"""

_LETTERS: Final = """
SELECT
    (
        SELECT count() FROM dead_letters FINAL
        WHERE (partition, position) NOT IN (SELECT partition, position FROM dead_letter_outcomes)
    ) AS open,
    (SELECT countIf(outcome IN ('replaying', 'replayed')) FROM dead_letter_outcomes FINAL) AS replayed,
    (SELECT countIf(outcome IN ('discarded', 'erased')) FROM dead_letter_outcomes FINAL) AS discarded
"""

_REPLAYS: Final = "SELECT DISTINCT replay_source FROM dead_letter_outcomes WHERE replay_source != 0"


@dataclass(frozen=True, slots=True)
class SourceCount:
    """What is known of one spool: last numbers seen, and how many clicks and dead letters are stored.

    `unnumbered` are the dead letters whose number can't be told.
    """

    last_click: int
    last_letter: int
    stored: int
    letters: int
    unnumbered: int


@dataclass(frozen=True, slots=True)
class Account:
    """Clicks from answer to store. `missing` were answered and never came, `surplus` is stored twice."""

    answered: int
    on_the_way: int
    missing: int
    surplus: int


@dataclass(frozen=True, slots=True)
class Ledger:
    """All in clicks. `stored` and `answered` leave replays of dead letters out, `rows` has them.

    `reported_twice` are removed reports of apps whose redirect is stored, `repeated` came again by the bus.
    `damaged` records are among `account.missing`; the others of those were never spooled.
    """

    account: Account
    stored: int
    replayed: int
    damaged: int
    repeated: int
    letters_open: int
    letters_replayed: int
    letters_discarded: int
    rows: int
    in_rollup: int
    erased: int
    expired: int
    reported_twice: int

    @property
    def not_spooled(self) -> int:
        return self.account.missing - self.damaged

    @property
    def spooled(self) -> int:
        return self.account.answered - self.not_spooled

    @property
    def carried(self) -> int:
        return self.spooled - self.account.on_the_way

    @property
    def differences(self) -> dict[str, int]:
        """What should be 0, by what differs: the account's surplus, rows, and the rollup's count."""
        ever_stored = self.stored + self.replayed
        return {
            "answered": -self.account.surplus,
            "rows": self.rows + self.erased + self.expired + self.reported_twice - ever_stored,
            "rollup": self.in_rollup - ever_stored,
        }

    @property
    def is_balanced(self) -> bool:
        return not any(self.differences.values())


def read_ledger(warehouse: Warehouse, spool_dir: Path) -> Ledger:
    """Count, until it balances, at most for a second: while a batch is under way it may not. Blocks."""
    ledger = _count(warehouse, spool_dir)
    for _ in range(LOOKS - 1):
        if ledger.is_balanced:
            break
        time.sleep(LOOK_AGAIN_S)
        ledger = _count(warehouse, spool_dir)
    return ledger


def account(sources: Mapping[int, SourceCount], last_spooled: Mapping[int, int]) -> Account:
    """Balance each source by itself, so that a loss in one never hides a surplus in another. Pure.

    Source 0 has the dead letters of which nobody can tell who wrote them: they are some source's gaps.
    """
    answered = on_the_way = missing = surplus = 0
    for source in (sources.keys() | last_spooled.keys()) - {0}:
        count = sources.get(source) or SourceCount(0, 0, 0, 0, 0)
        arrived = max(count.last_click, count.last_letter)
        last = max(arrived, last_spooled.get(source, 0))
        waiting = last - arrived
        gap = arrived - count.stored - count.letters
        # A letter without a number may stand behind all that have one.
        behind = min(max(0, -gap), count.unnumbered)
        waiting -= min(behind, waiting)
        answered += max(last, arrived + behind)
        on_the_way += waiting
        missing += max(0, gap)
        surplus += max(0, -gap - behind)
    unattributed = sources[0].letters if 0 in sources else 0
    return Account(answered, on_the_way, missing - min(missing, unattributed), surplus)


def _count(warehouse: Warehouse, spool_dir: Path) -> Ledger:
    last_spooled = read_last_seqs(spool_dir)  # first: what is stored by then can't be on the way
    replays = {int(source) for (source,) in warehouse.query(_REPLAYS)}
    counts = {int(source): SourceCount(*map(int, row)) for source, *row in warehouse.query(_SOURCES)}
    replayed = sum(count.stored for source, count in counts.items() if source in replays)
    answering = {source: count for source, count in counts.items() if source not in replays}
    found = account(answering, last_spooled)
    ((rows, in_rollup, erased, expired, reported_twice, damaged, repeated),) = warehouse.query(_TOTALS)
    ((letters_open, letters_replayed, letters_discarded),) = warehouse.query(_LETTERS)
    return Ledger(
        account=found,
        stored=sum(count.stored for count in answering.values()),
        replayed=replayed,
        damaged=min(int(damaged), found.missing),
        repeated=int(repeated),
        letters_open=int(letters_open),
        letters_replayed=int(letters_replayed),
        letters_discarded=int(letters_discarded),
        rows=int(rows),
        in_rollup=int(in_rollup),
        erased=int(erased),
        expired=int(expired),
        reported_twice=int(reported_twice),
    )
