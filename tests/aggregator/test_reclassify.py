"""Stored clicks judged again: what changes, that it is told before, and that it goes on after a stop."""

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from aggregator.reclassify import (
    Change,
    Reclassification,
    list_reclassifications,
    read_reclassification,
    reclassify,
    request_reclassification,
)
from aggregator.reclassify.worker import StoppedError
from ingest.contract import RULES_VERSION, Warehouse
from tests.fixtures.clicks import insert_clicks
from tests.ingest.click_events import IPHONE, NOON_MS

DAY_MS = 86_400_000
BOT = "Mozilla/5.0 (compatible; Qwzxbot/1.0; +https://qwzx.example.com)"
PREVIEW = "WhatsApp/2.23.20.0 A"


def stored(**fields: Any) -> dict[str, Any]:
    """A click as an older version judged it."""
    return {
        "ts": NOON_MS,
        "method": "GET",
        "user_agent": IPHONE,
        "signals": "{}",
        "language": "en",
        "network_kind": "other",
        "channel": "redirect",
        "rule": "old",
        "verdict": "human",
        "rules_version": 1,
        **fields,
    }


@pytest.fixture
def judged_by_old_rules(warehouse: Warehouse) -> Warehouse:
    september = [
        stored(seq=1, user_agent=BOT),
        stored(seq=2, user_agent=BOT, tenant="other"),
        stored(seq=3, user_agent=PREVIEW),
        stored(seq=4, rule="browser"),
        stored(seq=5, method="HEAD"),
        stored(seq=6, network_kind="hosting", language=""),
        stored(seq=7, signals='{"sec-purpose":"prefetch"}'),
        stored(seq=8, verdict="automated", rule="unlike any browser", user_agent=IPHONE),
        stored(seq=9, channel="app", user_agent="Shop/1 CFNetwork/1474"),
    ]
    october = [stored(seq=seq, ts=NOON_MS + 30 * DAY_MS, user_agent=BOT) for seq in (11, 12, 13)]
    insert_clicks(warehouse, september, "september")
    insert_clicks(warehouse, october, "october")
    return warehouse


def ask(warehouse: Warehouse, **fields: Any) -> Reclassification:
    bounds = {"since_ms": NOON_MS - 1, "until_ms": NOON_MS + 60 * DAY_MS}
    return request_reclassification(
        warehouse, **{"tenant": None, "dry_run": False, "now_ms": NOON_MS, **bounds, **fields}
    )


def verdicts(warehouse: Warehouse) -> dict[int, tuple[str, str, int]]:
    rows = warehouse.query("SELECT seq, verdict, rule, rules_version FROM clicks ORDER BY seq")
    return {seq: (verdict, rule, version) for seq, verdict, rule, version in rows}


NEW = RULES_VERSION
EXPECTED = {
    1: ("automated", "gives an address", NEW),
    2: ("automated", "gives an address", NEW),
    3: ("preview", "preview: WhatsApp", NEW),
    4: ("human", "browser", 1),  # judged the same, hence not touched
    5: ("automated", "method is not GET", NEW),
    6: ("automated", "hosting network, no language", NEW),
    7: ("preview", "prefetch header", NEW),
    8: ("human", "browser", NEW),
    9: ("human", "reported by an app", NEW),
    **dict.fromkeys((11, 12, 13), ("automated", "gives an address", NEW)),
}


def test_a_dry_run_tells_the_difference_and_changes_nothing(judged_by_old_rules: Warehouse) -> None:
    before = verdicts(judged_by_old_rules)
    done = reclassify(judged_by_old_rules, ask(judged_by_old_rules, dry_run=True))
    assert (done.state, done.judged, done.changed, done.months, done.months_done) == ("done", 12, 11, 2, 2)
    assert done.changes[0] == Change("human", "old", "automated", "gives an address", 5)
    assert sum(change.clicks for change in done.changes) == 11
    assert verdicts(judged_by_old_rules) == before
    assert read_reclassification(judged_by_old_rules, done.id) == done


def test_the_difference_is_made(judged_by_old_rules: Warehouse) -> None:
    done = reclassify(judged_by_old_rules, ask(judged_by_old_rules))
    assert (done.state, done.changed) == ("done", 11)
    assert verdicts(judged_by_old_rules) == EXPECTED
    again = reclassify(judged_by_old_rules, ask(judged_by_old_rules))
    assert (again.state, again.judged, again.changed) == ("done", 12, 0)
    for table in ("reclassified_inputs", "reclassified_clicks"):
        assert judged_by_old_rules.query(f"SELECT count() FROM {table}") == [(0,)]


def test_only_what_was_asked_for_is_judged(judged_by_old_rules: Warehouse) -> None:
    reclassify(judged_by_old_rules, ask(judged_by_old_rules, tenant="other"))
    changed = {seq for seq, judged in verdicts(judged_by_old_rules).items() if judged[2] == NEW}
    assert changed == {2}
    reclassify(judged_by_old_rules, ask(judged_by_old_rules, since_ms=NOON_MS + DAY_MS))
    changed = {seq for seq, judged in verdicts(judged_by_old_rules).items() if judged[2] == NEW}
    assert changed == {2, 11, 12, 13}
    nothing = reclassify(judged_by_old_rules, ask(judged_by_old_rules, since_ms=1, until_ms=2))
    assert (nothing.state, nothing.months) == ("done", 0)


def test_reports_are_told_which_quarters_changed(judged_by_old_rules: Warehouse) -> None:
    marked = "SELECT count() FROM (SELECT start FROM click_changes GROUP BY start HAVING sum(marks) > 0)"
    assert judged_by_old_rules.query(marked) == [(0,)]
    reclassify(judged_by_old_rules, ask(judged_by_old_rules))
    assert judged_by_old_rules.query(marked) == [(2,)]


@pytest.mark.parametrize("steps", [1, 4, 6, 7])
def test_stopped_anywhere_it_goes_on_to_the_same_end(judged_by_old_rules: Warehouse, steps: int) -> None:
    asked = ask(judged_by_old_rules)
    left = iter(range(steps))

    def check_stop() -> None:
        if next(left, None) is None:
            raise StoppedError

    try:
        done = reclassify(judged_by_old_rules, asked, check_stop)
    except StoppedError:
        (resumed,) = list_reclassifications(judged_by_old_rules)
        done = reclassify(judged_by_old_rules, resumed)
    assert (done.state, done.changed, done.months_done) == ("done", 11, 2)
    assert verdicts(judged_by_old_rules) == EXPECTED


# Dies where it looks for the fourth time whether to stop: its mutation has just begun.
_MORTAL = """
import os, pathlib, signal, sys
from aggregator.contract import migrate
from aggregator.reclassify import list_reclassifications, reclassify
from ingest.contract import open_warehouse
from tests.aggregator import test_reclassify as clicks
warehouse = open_warehouse(None, folder=pathlib.Path(sys.argv[1]))
migrate(warehouse)
if not list_reclassifications(warehouse):
    robots = [clicks.stored(seq=seq, user_agent=clicks.BOT) for seq in range(200_000)]
    clicks.insert_clicks(warehouse, robots, "robots")
    clicks.ask(warehouse)
left = iter(range(int(sys.argv[2])))
def check_stop():
    if next(left, None) is None:
        os.kill(os.getpid(), signal.SIGKILL)
(asked,) = list_reclassifications(warehouse)
done = reclassify(warehouse, asked, check_stop)
rows = warehouse.query("SELECT verdict, rules_version, count() FROM clicks GROUP BY ALL")
print(done.state, done.changed, rows)
warehouse.close()
"""


@pytest.mark.drill
def test_killed_while_a_mutation_is_under_way_it_goes_on(tmp_path: Path) -> None:
    def run(steps: int) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-c", _MORTAL, str(tmp_path / "warehouse"), str(steps)]
        return subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)

    assert run(3).returncode == -signal.SIGKILL
    finished = run(1_000_000)
    assert finished.returncode == 0, finished.stderr[-2000:]
    assert finished.stdout.split(maxsplit=2) == ["done", "200000", f"[('automated', {NEW}, 200000)]\n"]
