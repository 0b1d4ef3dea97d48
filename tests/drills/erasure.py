"""A person erased among ten million clicks, while they and everybody else go on clicking."""

import time
from pathlib import Path
from typing import Any, Final

import httpx

from aggregator.contract import read_ledger
from edge.contract import SpoolWriter, frame
from ingest.contract import DEFAULT_TENANT
from tests.drills.clients import Crowd, clicking
from tests.drills.exact import TAG, Sent
from tests.drills.processes import CROWD_RATE, SPOOLS
from tests.drills.report import Outcome
from tests.drills.rows import SOURCE, make_rows
from tests.drills.site import Site, running_site
from tests.fixtures.system import wait_until
from tests.ingest.click_events import click_json

RECIPIENTS: Final = 1_000
VICTIM: Final = 7
LETTERS: Final = 20
AFTER_S: Final = 20.0
SWEPT_WITHIN_S: Final = 150.0  # a minute after the last one arrived, says docs/accounts.md


def erase(folder: Path, *, rows: int = 10_000_000) -> Outcome:
    with running_site(folder) as site:
        site.programs.start("api")
        site.programs.wait_ready("api")
        number, codes = _mint(site)
        victim = codes[VICTIM]
        make_rows(site.warehouse, rows, tenant=DEFAULT_TENANT, link=number, domain="localhost", codes=codes)
        with (
            clicking(
                site.system.edge_port, [f"/{code}" for code in codes[: 4 * VICTIM]], pace_s=0.03
            ) as clients,
            Crowd(site.spool_dir, spools=SPOOLS, rate=CROWD_RATE) as crowd,
        ):
            _spool_letters(site, number, codes[VICTIM], codes[VICTIM + 1])
            wait_until("dead letters", lambda: _letters(site) == 2 * LETTERS, deadline_s=60)
            site.await_progress(more=500)
            theirs = _count(site, victim)
            began_s = time.monotonic()
            with site.system.api as api:
                answer = api.delete(f"/v1/recipients/%2B4477009{VICTIM:05}", timeout=120)
            took_s = time.monotonic() - began_s
            assert answer.status_code == 200, answer.text
            misses = [] if answer.json()["clicks"] >= theirs else [f"it found {answer.json()} of {theirs}"]
            time.sleep(AFTER_S)  # all go on clicking
        of_others = {tag for tag in clients.answered if not _is_victims(tag)}
        wait_until("all stored", lambda: _others_stored(site, victim) >= len(of_others), deadline_s=120)
        wait_until("nothing of them left", lambda: _count(site, victim) == 0, deadline_s=SWEPT_WITHIN_S)
        misses += _others_differ(site, codes, rows)
        if _letters(site) != LETTERS:
            misses.append(f"{_letters(site)} dead letters of {LETTERS} are left")
        misses += site.settle(Sent(clients.asked, of_others, crowd.spooled))
        ledger = read_ledger(site.warehouse, site.spool_dir)
        came = (
            f"{theirs:,} of {rows:,} rows gone in {took_s:.1f} s, {ledger.erased - theirs} that came later,"
            f" {LETTERS} dead letters; {len(of_others):,} times 302 of others, {ledger.rows:,} rows left"
        )
        return Outcome(came, tuple(misses))


def _mint(site: Site) -> tuple[int, list[str]]:
    """A link with recipients: its number, and their codes."""
    with site.system.api as api:
        link = _answer(api.post("/v1/links", json={"destination_url": "https://shop.example.com/landing"}))
        recipients = [{"recipient": f"+4477009{number:05}"} for number in range(RECIPIENTS)]
        minted = _answer(api.post(f"/v1/links/{link['id']}/recipients", json={"recipients": recipients}))
    codes = [each["code"] for each in minted["data"]]
    wait_until("codes in the catalogue", lambda: _catalogued(site) == RECIPIENTS)
    ((number,),) = site.warehouse.query("SELECT DISTINCT link FROM codes")
    return int(number), codes


def _answer(answer: httpx.Response) -> dict[str, Any]:
    assert answer.is_success, answer.text
    body: dict[str, Any] = answer.json()
    return body


def _spool_letters(site: Site, number: int, *codes: str) -> None:
    """Events that are no clicks, for each of the codes."""
    writer = SpoolWriter(site.spool_dir)
    for code in codes:
        for _ in range(LETTERS):
            event = {"source": writer.source, "seq": writer.take_seq(), "link": number, "code": code}
            writer.append(frame(click_json(**event, tenant=DEFAULT_TENANT, method="PUT")))
    writer.close()


def _is_victims(tag: str) -> bool:
    return int(tag.removeprefix(TAG)) % (4 * VICTIM) == VICTIM


def _count(site: Site, code: str) -> int:
    """Clicks on the code, also those that came when it was nobody's any more."""
    return _number(site, "SELECT count() FROM clicks WHERE code = {code:String}", code=code)


def _others_stored(site: Site, victim: str) -> int:
    sql = f"SELECT count() FROM clicks WHERE startsWith(referer, '{TAG}') AND code != {{code:String}}"
    return _number(site, sql, code=victim)


def _letters(site: Site) -> int:
    return _number(site, "SELECT count() FROM dead_letters FINAL")


def _catalogued(site: Site) -> int:
    return _number(site, "SELECT uniqExact(code) FROM codes")


def _others_differ(site: Site, codes: list[str], rows: int) -> list[str]:
    """Whether anybody else lost a row of those that had been there before."""
    sql = f"SELECT code, count() FROM clicks WHERE source = {SOURCE} GROUP BY code"
    found = {str(code): int(count) for code, count in site.warehouse.query(sql)}
    expected = {code: len(range(at, rows, len(codes))) for at, code in enumerate(codes) if at != VICTIM}
    return [] if found == expected else [f"rows of {len(found.items() ^ expected.items())} codes differ"]


def _number(site: Site, sql: str, **parameters: object) -> int:
    ((number,),) = site.warehouse.query(sql, parameters)
    return int(number)
