"""The ledger of a whole running system, through kill -9 of analytics and the erasure of a person."""

from typing import Any

import httpx
import pytest

from tests.fixtures.system import System, wait_until

CLICKS = 60


def click(system: System, code: str, times: int) -> None:
    with httpx.Client(base_url=system.edge_url, timeout=120) as client:
        for _ in range(times):
            assert client.get(f"/{code}").status_code == 302


def settled(api: httpx.Client, answered: int) -> dict[str, Any] | None:
    """The ledger once so many clicks are answered and none is on its way."""
    try:
        ledger: dict[str, Any] = api.get("/v1/ledger").raise_for_status().json()
    except httpx.HTTPError:
        return None
    return ledger if ledger["answered"] >= answered and not ledger["on_the_way"] else None


@pytest.mark.drill
def test_the_ledger_balances_through_a_kill_and_an_erasure(system: System) -> None:
    with system.api as api:
        check_accounts(system, api)


def check_accounts(system: System, api: httpx.Client) -> None:
    link = (
        api.post("/v1/links", json={"destination_url": "https://www.example.com/"}).raise_for_status().json()
    )
    people = [{"recipient": f"+44770090012{digit}"} for digit in range(2)]
    answer = api.post(f"/v1/links/{link['id']}/recipients", json={"recipients": people}).raise_for_status()
    alice, bob = (minted["code"] for minted in answer.json()["data"])
    click(system, alice, CLICKS)
    click(system, bob, CLICKS)
    (analytics,) = system.processes("deploy.standalone.analytics")
    analytics.kill()
    click(system, alice, CLICKS)
    wait_until("analytics to end", lambda: not analytics.is_running())
    system.wait_ready()
    ledger = wait_until("all clicks to be stored", lambda: settled(api, 3 * CLICKS))
    assert ledger["balanced"], ledger
    assert (ledger["answered"], ledger["stored"], ledger["rows"]) == (3 * CLICKS,) * 3

    erased = api.delete("/v1/recipients/%2B447700900120").raise_for_status().json()
    assert (erased["codes"], erased["clicks"]) == (1, 2 * CLICKS)
    ledger = api.get("/v1/ledger").raise_for_status().json()
    assert ledger["balanced"], ledger
    assert (ledger["rows"], ledger["removed"]["erased"]) == (CLICKS, 2 * CLICKS)
    gone = wait_until(
        "the edge to forget the code",
        lambda: httpx.get(f"{system.edge_url}/{alice}", timeout=120).status_code == 404,
    )
    assert gone
    click(system, bob, 1)
