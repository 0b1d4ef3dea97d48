"""Drills that are tests, in their long form, and the cut replies."""

import asyncio
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

from tests.drills.report import Outcome
from tests.fixtures.system import ROOT
from tests.fixtures.warehouse import clickhouse_server
from tests.ingest.warehouse_faults import cut_replies

CUTS: Final = 200
_RESULT: Final = re.compile(r"^=*\s*(\d+ (?:passed|failed|error|skipped)[^=]*?)\s*=*$", re.MULTILINE)


def cut_insert_replies(folder: Path, *, cuts: int = CUTS) -> Outcome:
    with clickhouse_server(folder) as (url, _):
        outcome = asyncio.run(cut_replies(folder, url, cuts))
    ledger = outcome.ledger
    came = (
        f"{cuts} replies cut, {outcome.retries} inserts tried again by ingest, {outcome.spooled:,} clicks,"
        f" {ledger.rows:,} rows, {ledger.in_rollup:,} in the rollups, {outcome.distinct:,} distinct"
    )
    try:
        outcome.check()
    except AssertionError as error:
        return Outcome(came, (str(error),))
    return Outcome(came)


def redis_cluster(_folder: Path) -> Outcome:
    return _run("tests/edge/test_redis_cluster.py", "-k", "killed or moved or slots or empty or down")


def sequence_error(_folder: Path) -> Outcome:
    return _run("tests/ingest/test_shipper.py", "-k", "sequence_error or killed_producer")


def _run(*arguments: str) -> Outcome:
    """Tests that must all pass."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    environment = {**os.environ, "SMARTLINKS_LONG_DRILLS": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    results = _RESULT.findall(done.stdout)
    came = f"`{arguments[0]}`: {results[-1] if results else 'no result'}"
    is_whole = done.returncode == 0 and "skipped" not in came
    return Outcome(came, () if is_whole else tuple(done.stdout.splitlines()[-20:]))
