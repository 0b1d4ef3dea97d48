"""What "exact" means, for all drills: every 302 that a client read is counted once, and nothing else is.

Counted are the rows and whatever counts rows: `click_sources` by spool, `click_changes` by quarter of an
hour and `click_days` by day, the rollups by windows of each grain once the aggregator computed them, and the
ledger.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Final

from aggregator.contract import DAY_S, GRAINS_S, MAX_KEYS, read_ledger, refresh
from ingest.contract import Warehouse

TAG: Final = "https://tag.example.com/"
"""Begins the `Referer` of a click of ours; a number of its own follows."""

_SUBJECTS: Final = {"link": "link", "domain": "cityHash64(domain)", "tenant": "toUInt64(0)"}

# Days are held against their own table, as reports do: a mark that died between the two is set again.
_CHANGES_OF_DAYS: Final = "(SELECT *, toDateTime(day, 'UTC') AS changed_at FROM click_days)"
_CHANGES: Final = "(SELECT *, start AS changed_at FROM click_changes)"

# Windows that hold: nothing has changed since they were computed. What no longer holds is in no report.
_HOLDING: Final = """
SELECT tenant, subject, start, changes, detailed, clicks FROM rollup_windows FINAL
WHERE scope = '{scope}' AND grain = {grain} AND (tenant, subject, changes, start) IN (
    SELECT tenant, subject, sum(clicks) + sum(marks),
        toDateTime(intDiv(toUnixTimestamp(changed_at), {grain}) * {grain}, 'UTC') AS begins
    FROM {changes}
    WHERE scope = '{scope}' AND (tenant, subject) IN ({computed})
    GROUP BY tenant, subject, begins
)
"""
_COMPUTED: Final = "SELECT tenant, subject FROM rollup_windows WHERE scope = '{scope}' AND grain = {grain}"

# Beside the rows of their time, their subject and their tenant. Each day must be there.
_WINDOWS: Final = f"""
SELECT count()
FROM ({_HOLDING}) AS holding
{{join}} JOIN
(
    SELECT tenant, {{subject}} AS subject, count() AS counted,
        toDateTime(intDiv(toUnixTimestamp(ts), {{grain}}) * {{grain}}, 'UTC') AS start
    FROM clicks
    WHERE {{is_day}} OR (tenant, {{subject}}) IN ({{computed}})
    GROUP BY tenant, subject, start
) AS live USING (tenant, subject, start)
WHERE clicks != counted
"""

_BREAKDOWNS: Final = f"""
SELECT count()
FROM ({_HOLDING}) AS holding
INNER JOIN
(
    SELECT tenant, subject, start, changes, keys, rollup_keys.clicks AS key_clicks FROM rollup_keys FINAL
    WHERE scope = '{{scope}}' AND grain = {{grain}}
) AS parts USING (tenant, subject, start, changes)
WHERE detailed AND length(keys) < {MAX_KEYS} AND arraySum(key_clicks) != clicks
"""


@dataclass(frozen=True, slots=True)
class Sent:
    """What was sent. `asked` and `answered` are clicks by their tag, answered by a 302 that was read.

    `spooled` are events that were written to spools without a client: of each source, its last number;
    `poisoned` are those of them (source, number) that are no clicks.
    """

    asked: Collection[str] = ()
    answered: Collection[str] = ()
    spooled: Mapping[int, int] = field(default_factory=dict)
    poisoned: Collection[tuple[int, int]] = ()

    @property
    def clicks(self) -> int:
        """How many must be counted at the least."""
        return len(self.answered) + sum(self.spooled.values()) - len(self.poisoned)


def differences(warehouse: Warehouse, sent: Sent, spool_dir: Path, *, ledger: bool = True) -> list[str]:
    """What is not as it should be, in words; empty if all is exact. Nothing may be on its way any more.

    Computes the windows as the aggregator does once they have ended. Blocks.
    """
    ((latest,),) = warehouse.query("SELECT max(ts) FROM clicks")
    while refresh(warehouse, latest + timedelta(days=1, hours=1), everything=True):
        pass
    found = [*_row_differences(warehouse, sent), *_rollup_differences(warehouse)]
    if ledger:
        found += _ledger_differences(warehouse, spool_dir)
    return found


def _row_differences(warehouse: Warehouse, sent: Sent) -> Iterator[str]:
    rows = warehouse.query(
        f"SELECT referer, count() FROM clicks WHERE startsWith(referer, '{TAG}') GROUP BY referer"
    )
    stored = {str(tag): int(count) for tag, count in rows}
    answered, asked = frozenset(sent.answered), frozenset(sent.asked)
    yield from _tell("answered, not stored", len(answered - stored.keys()))
    yield from _tell("stored, never asked", len(stored.keys() - asked))
    yield from _tell("stored more than once", sum(count > 1 for count in stored.values()))
    sources = warehouse.query(
        "SELECT source, count(), uniqExact(seq) FROM clicks"
        " WHERE source IN {sources:Array(UInt64)} GROUP BY source",
        {"sources": sorted(sent.spooled)},
    )
    counted = {int(source): (int(rows), int(numbers)) for source, rows, numbers in sources}
    no_clicks = Counter(source for source, _ in sent.poisoned)
    clicks = {source: last - no_clicks[source] for source, last in sent.spooled.items()}
    wrong = [
        f"{source}: {counted.get(source)}" for source, n in clicks.items() if counted.get(source) != (n, n)
    ]
    yield from _tell(f"spools whose rows differ ({', '.join(wrong[:3])})", len(wrong))


def _rollup_differences(warehouse: Warehouse) -> Iterator[str]:
    def count(sql: str) -> int:
        return int(str(warehouse.query(sql)[0][0]))

    rows = count("SELECT count() FROM clicks") + count("SELECT count() FROM removed_clicks FINAL")
    yield from _tell("difference of click_sources", count("SELECT sum(clicks) FROM click_sources") - rows)
    for scope, subject in _SUBJECTS.items():
        for table in ("click_changes", "click_days"):
            changes = count(f"SELECT sum(clicks) FROM {table} WHERE scope = '{scope}'")
            yield from _tell(f"difference of {table} by {scope}", changes - rows)
        for grain in GRAINS_S:
            fields = {
                "scope": scope,
                "subject": subject,
                "grain": grain,
                "changes": _CHANGES_OF_DAYS if grain == DAY_S else _CHANGES,
                "computed": _COMPUTED.format(scope=scope, grain=grain),
                "is_day": grain == DAY_S,
                "join": "FULL" if grain == DAY_S else "LEFT",
            }
            windows = f"windows of {grain} s by {scope}"
            yield from _tell(f"wrong {windows}", count(_WINDOWS.format(**fields)))
            yield from _tell(
                f"breakdowns of {windows} that don't add up", count(_BREAKDOWNS.format(**fields))
            )


def _ledger_differences(warehouse: Warehouse, spool_dir: Path) -> Iterator[str]:
    ledger = read_ledger(warehouse, spool_dir)
    for name, difference in ledger.differences.items():
        yield from _tell(f"difference of the ledger's {name}", difference)
    yield from _tell("on the way for ever", ledger.account.on_the_way)
    yield from _tell("missing in the ledger", ledger.account.missing)


def _tell(what: str, count: int) -> Iterator[str]:
    if count:
        yield f"{what}: {count:,}"
