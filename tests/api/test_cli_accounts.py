"""The command line's keys, tenants and domains."""

from tests.api.command import run, run_json
from tests.api.conftest import DOMAIN, RunningApi


async def test_a_key_from_its_making_to_its_end(api: RunningApi) -> None:
    made = await run_json(
        api.url,
        *("keys", "create", "--name", "[reports]", "--scope", "report", "--scope", "send"),
        *("--address", "127.0.0.0/8", "--messages-per-s", "5"),
    )
    assert (made["scopes"], made["messages_per_s"]) == (["report", "send"], 5)
    code, _, errors = await run(api.url, "links", "create", "https://www.example.com/", key=made["key"])
    assert (code, errors.startswith("Refused:")) == (3, True)
    rotated = await run_json(api.url, "keys", "rotate", made["id"], "--overlap-s", "0")
    assert rotated["key"] != made["key"]
    assert (await run(api.url, "stats", key=made["key"]))[0] == 3
    code, table, _ = await run(api.url, "keys", "list")
    assert (code, "[reports]" in table, made["ending"] in table, rotated["key"] in table) == (
        0,
        True,
        made["ending"] == rotated["ending"],
        False,
    )
    code, _, errors = await run(api.url, "keys", "revoke", made["id"], stdin=b"n\n")
    assert (code, "Aborted" in errors) == (1, True)
    assert await run_json(api.url, "keys", "revoke", made["id"], "--yes") == []
    assert (await run_json(api.url, "keys", "show", made["id"]))["status"] == "revoked"


async def test_a_tenant_its_first_key_and_its_suspension(api: RunningApi) -> None:
    made = await run_json(api.url, "tenants", "create", "acme", "--name", "Acme", "--retention-days", "30")
    assert (made["name"], made["retention_days"], made["active"]) == ("Acme", 30, True)
    first = await run_json(api.url, "keys", "create", "--tenant", "acme")
    assert (await run(api.url, "links", "list", key=first["key"]))[0] == 0
    code, _, errors = await run(api.url, "tenants", "list", key=first["key"])
    assert (code, errors.startswith("Refused:")) == (3, True)
    changed = await run_json(
        api.url, "tenants", "update", "acme", "--suspend", "--address-privacy", "truncated"
    )
    assert await run_json(api.url, "tenants", "show", "acme") == changed
    assert (changed["active"], changed["address_privacy"], changed["name"]) == (False, "truncated", "Acme")
    assert {tenant["id"]: tenant["active"] for tenant in await run_json(api.url, "tenants", "list")}[
        "acme"
    ] is False


async def test_a_domain_from_its_making_to_its_end(api: RunningApi) -> None:
    url = "https://www.example.com/none"
    made = await run_json(api.url, "domains", "create", "go.example.com", "--not-found-url", url)
    assert (made["host"], made["not_found_url"]) == ("go.example.com", url)
    changed = await run_json(
        api.url, "domains", "update", "go.example.com", "--not-found-url", "", "--expired-url", url
    )
    assert (changed["not_found_url"], changed["expired_url"]) == (None, url)
    link = await run_json(api.url, "links", "create", url, "--domain", "go.example.com")
    code, _, errors = await run(api.url, "domains", "delete", "go.example.com", "--yes")
    assert (code, errors.startswith("Refused:")) == (3, True)
    assert (await run(api.url, "links", "delete", link["id"], "--yes"))[0] == 0
    assert await run(api.url, "domains", "delete", "go.example.com", "--yes") == (0, "", "")
    assert [domain["host"] for domain in await run_json(api.url, "domains", "list")] == [DOMAIN]
