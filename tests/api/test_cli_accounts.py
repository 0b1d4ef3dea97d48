"""The command line's keys, tenants and domains."""

import asyncio
import json
from pathlib import Path

from tests.api.command import run, run_json
from tests.api.conftest import DOMAIN, RunningApi


async def test_a_key_from_its_making_to_its_end(api: RunningApi) -> None:
    made = await run_json(
        api.url,
        *("keys", "create", "--name", "[reports]", "--scope", "report", "--scope", "send"),
        *("--address", "127.0.0.0/8", "--messages-per-s", "5"),
    )
    assert (made["scopes"], made["messages_per_s"]) == (["report", "send"], 5)
    rotated = await run_json(api.url, "keys", "rotate", made["id"], "--overlap-s", "0")
    assert rotated["key"] != made["key"]
    former, (code, table, _), (asked, _, errors) = await asyncio.gather(
        run(api.url, "stats", key=made["key"]),
        run(api.url, "keys", "list"),
        run(api.url, "keys", "revoke", made["id"], stdin=b"n\n"),
    )
    assert (former[0], "SMARTLINKS_KEY" in former[2]) == (3, True)
    assert (code, "[reports]" in table, rotated["ending"] in table, rotated["key"] in table) == (
        0,
        True,
        True,
        False,
    )
    assert (asked, "Aborted" in errors) == (1, True)
    renamed = await run_json(api.url, "keys", "update", made["id"], "--name", "renamed", "--scope", "click")
    assert (renamed["name"], renamed["scopes"]) == ("renamed", ["click"])
    assert await run_json(api.url, "keys", "revoke", made["id"], "--yes") == []
    assert (await run_json(api.url, "keys", "show", made["id"]))["status"] == "revoked"


async def test_a_tenant_its_first_key_and_its_suspension(api: RunningApi) -> None:
    made = await run_json(api.url, "tenants", "create", "acme", "--name", "Acme", "--retention-days", "30")
    assert (made["name"], made["retention_days"], made["active"]) == ("Acme", 30, True)
    first = await run_json(api.url, "keys", "create", "--tenant", "acme")
    theirs, (code, _, errors) = await asyncio.gather(
        run(api.url, "links", "list", key=first["key"]), run(api.url, "tenants", "list", key=first["key"])
    )
    assert theirs[0] == 0
    assert (code, errors.startswith("Refused:")) == (3, True)
    changed = await run_json(
        api.url, "tenants", "update", "acme", "--suspend", "--address-privacy", "truncated"
    )
    assert (changed["active"], changed["address_privacy"], changed["name"]) == (False, "truncated", "Acme")
    shown, listed = await asyncio.gather(
        run_json(api.url, "tenants", "show", "acme"), run_json(api.url, "tenants", "list")
    )
    assert shown == changed
    assert changed in listed


async def test_a_domain_from_its_making_to_its_end(api: RunningApi, tmp_path: Path) -> None:
    url = "https://www.example.com/none"
    links = tmp_path / "assetlinks.json"
    links.write_text('[{"relation": ["delegate_permission/common.handle_all_urls"]}]')
    made = await run_json(
        api.url, "domains", "create", "go.example.com", "--not-found-url", url, "--assetlinks", str(links)
    )
    assert (made["host"], made["not_found_url"]) == ("go.example.com", url)
    assert made["assetlinks"] == json.loads(links.read_text())
    links.write_text("{")
    code, _, errors = await run(api.url, "domains", "update", "go.example.com", "--assetlinks", str(links))
    assert (code, "no JSON" in errors) == (2, True)
    changed, link = await asyncio.gather(
        run_json(api.url, "domains", "update", made["host"], "--not-found-url", "", "--expired-url", url),
        run_json(api.url, "links", "create", url, "--domain", "go.example.com"),
    )
    assert (changed["not_found_url"], changed["expired_url"]) == (None, url)
    code, _, errors = await run(api.url, "domains", "delete", "go.example.com", "--yes")
    assert (code, errors.startswith("Refused:")) == (3, True)
    assert (await run(api.url, "links", "delete", link["id"], "--yes"))[0] == 0
    assert await run(api.url, "domains", "delete", "go.example.com", "--yes") == (0, "", "")
    assert [domain["host"] for domain in await run_json(api.url, "domains", "list")] == [DOMAIN]
