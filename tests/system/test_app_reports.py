"""An app's report and the redirect of the same person, sent at the same moment, are one click."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx

from tests.fixtures.system import System, wait_until
from tests.system.test_whole_way import IPHONE, click, make_link

PEOPLE = 60


def test_both_at_once_count_once_whichever_is_first(system: System) -> None:
    with system.api as api, ThreadPoolExecutor(16) as threads:
        link = make_link(api)
        people = [{"recipient": f"+4477009{number:05}"} for number in range(PEOPLE)]
        minted = api.post(f"/v1/links/{link['id']}/recipients", json={"recipients": people}).json()["data"]

        def report(one: dict[str, Any]) -> httpx.Response:
            return api.post("/v1/clicks", json={"short-url": one["short_url"], "user-agent": IPHONE})

        def redirect(one: dict[str, Any]) -> int:
            return click(system, f"/{one['code']}", IPHONE)[0]

        reports, redirects = [], []
        for number, one in enumerate(minted):
            first, second = (report, redirect) if number % 2 else (redirect, report)
            both = [threads.submit(first, one), threads.submit(second, one)]
            reports.append(both[first is redirect])
            redirects.append(both[first is report])
        assert {each.result() for each in redirects} == {302}
        assert {each.result().status_code for each in reports} == {200}

        def totals() -> dict[str, Any]:
            found: dict[str, Any] = api.get(f"/v1/links/{link['id']}/stats").json()["totals"]
            return found

        def is_each_once() -> bool:
            """Minutes later, these clicks are too soon after the mint to be those of people."""
            found = totals()
            return found["total_clicks"] == found["unique_clicks"] + found["automated_clicks"] == PEOPLE

        # What took longer to the warehouse than a report is held is removed within a minute.
        wait_until("each once", is_each_once)
        ledger = api.get("/v1/ledger").json()
        assert ledger["balanced"], ledger
        counted = sum("transaction-id" in each.result().json() for each in reports)
        assert (ledger["stored"], ledger["removed"]["repeated"]) == (PEOPLE + counted, counted)
