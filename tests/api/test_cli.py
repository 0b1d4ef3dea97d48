"""The command line as a process of its own, beside the running API."""

import asyncio
import contextlib
import csv
import io
import json
import os
import pty
import sys
from pathlib import Path

import pytest
from aiohttp import web

from api.cli.postman import SCHEMA, collection_of
from api.client import ApiError, AsyncClient, Client, UnreachableError
from tests.api.command import ROOT, run, run_json
from tests.api.conftest import KEY, RunningApi
from tests.fixtures.receiver import Received, Receiver


async def test_a_link_from_its_making_to_its_end(api: RunningApi, tmp_path: Path) -> None:
    made = await run_json(
        api.url,
        *("links", "create", "https://www.example.com/fall", "--code", "Fall26", "--name", "Fall"),
        *("--tag", "sms", "--tag", "uk", "--ios", "https://apps.example.com/i", "--external-id", "crm-1"),
    )
    assert (made["code"], made["tags"], made["device_routes"]["ios"]) == (
        "Fall26",
        ["sms", "uk"],
        "https://apps.example.com/i",
    )
    upserted = await run_json(
        api.url,
        *("links", "create", "https://www.example.com/new", "--upsert", "--external-id", "crm-1"),
    )
    assert (upserted["id"], upserted["destination_url"]) == (made["id"], "https://www.example.com/new")
    changed = await run_json(api.url, "links", "update", made["id"], "--name", "", "--ios", "")
    assert (changed["name"], changed["device_routing"], changed["code"]) == ("", False, "Fall26")
    code, table, _ = await run(api.url, "links", "list", "-q", "fall26")
    assert (code, "Fall26" in table, "short url" in table) == (0, True, True)
    code, answer, _ = await run(api.url, "links", "list", "-q", "fall26", "--json")
    assert (code, [link["code"] for link in json.loads(answer)]) == (0, ["Fall26"]), "--json may stand last"
    image = tmp_path / "code.png"
    assert (await run(api.url, "links", "qr", made["id"], str(image)))[0] == 0
    assert image.read_bytes().startswith(b"\x89PNG")
    assert (await run(api.url, "links", "delete", made["id"], "--yes"))[0] == 0
    assert await run_json(api.url, "links", "list") == []


async def test_recipients_go_in_as_they_are_and_codes_come_out_as_csv(api: RunningApi) -> None:
    link = await api.make()
    for stdin, pairs in (
        (b"+447700900123\n\n+447700900124\n", [("+447700900123", ""), ("+447700900124", "")]),
        (b"reference,recipient\r\nr1,+447700900123\r\n", [("+447700900123", "r1")]),
        (b'{"recipient": "+447700900124", "reference": "r2"}\n', [("+447700900124", "r2")]),
    ):
        code, output, errors = await run(api.url, "recipients", "mint", str(link["id"]), stdin=stdin)
        assert (code, errors) == (0, "")
        rows = list(csv.DictReader(io.StringIO(output)))
        assert [(row["recipient"], row["reference"]) for row in rows] == pairs
        assert all(row["short_url"].endswith(row["code"]) for row in rows)
    for stdin, told in ((b"a\n\n\tb\x01\n", "line 3"), (b"{}\n{\n", "line 2"), (b"a\n\xff\n", "UTF-8")):
        code, _, errors = await run(api.url, "recipients", "mint", str(link["id"]), stdin=stdin)
        assert (code, told in errors) == (1, True), errors
    assert await run_json(api.url, "recipients", "clicked", "--link", str(link["id"])) == []


def read_terminal(terminal: int) -> bytes:
    """All that is shown there, until nobody writes to it any more."""
    shown = b""
    with contextlib.suppress(OSError):  # which is how it ends
        while some := os.read(terminal, 64 * 1024):
            shown += some
    return shown


async def test_a_bar_on_the_terminal_keeps_out_of_the_output(api: RunningApi) -> None:
    link = await api.make()
    terminal, slave = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "api.cli", "--url", api.url, "--key", KEY),
        *("recipients", "mint", str(link["id"]), "--total", "2"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=slave,
        env={"PYTHONPATH": str(ROOT), "TERM": "xterm"},
        cwd=ROOT,
    )
    os.close(slave)
    (output, _), shown = await asyncio.gather(
        process.communicate(b"+447700900123\n+447700900124\n"),
        asyncio.to_thread(read_terminal, terminal),  # meanwhile: a terminal that nobody reads takes 4 KB
    )
    os.close(terminal)
    assert len(output.splitlines()) == 3
    assert b"2/2" in shown


async def test_lines_that_are_refused_are_told_and_the_exit_code_says_so(
    api: RunningApi, tmp_path: Path
) -> None:
    operations = tmp_path / "operations.ndjson"
    operations.write_text(
        '{"destination_url": "https://www.example.com/", "code": "Bulk1"}\n\n{"op": "no"}\nx\n'
    )
    code, output, errors = await run(api.url, "links", "bulk", str(operations))
    assert (code, "1 done, 2 refused: 1 for op, 1 for " in errors) == (1, True)
    assert [line.split(":")[0] for line in output.splitlines()] == ["line 3", "line 4"]
    export = tmp_path / "kutt.json"
    link = {"address": "Kutt1", "target": "https://www.example.com/", "visit_count": 7}
    export.write_text(json.dumps({"limit": 10, "data": [link, {**link, "address": "a.b"}]}))
    code, output, errors = await run(api.url, "links", "import", str(export), "--from", "kutt")
    assert (code, "1 done, 1 refused: 1 for code." in errors, "it has '.'" in output) == (1, True, True)
    (imported,) = await run_json(api.url, "links", "list", "-q", "Kutt1")
    assert imported["imported_clicks"] == 7


async def test_reports_and_operation(api: RunningApi) -> None:
    link = await api.make()
    code, output, _ = await run(api.url, "stats", str(link["id"]), "--by", "country")
    assert (code, "total clicks" in output) == (0, True)
    assert (await run_json(api.url, "stats"))["totals"]["total_clicks"] == 0
    assert (await run_json(api.url, "ledger"))["balanced"] is True
    key = await run_json(api.url, "keys", "create", "--name", "reports", "--scope", "report")
    assert key["scopes"] == ["report"]
    code, _, errors = await run(api.url, "links", "create", "https://www.example.com/", key=key["key"])
    assert (code, errors.startswith("Refused:")) == (3, True)


async def test_what_is_wrong_is_one_line_that_says_what_to_do(api: RunningApi, tmp_path: Path) -> None:
    code, _, errors = await run(api.url, "links", "create", "https://www.example.com/", "--code", "a b")
    assert (code, "#/code" in errors) == (3, True)
    code, _, errors = await run("http://127.0.0.1:9", "links", "list")
    assert (code, "Is it running?" in errors) == (4, True)
    code, _, errors = await run(api.url, "links", "list", key=None, folder=tmp_path)
    assert (code, "SMARTLINKS_KEY" in errors) == (2, True)
    (tmp_path / "var").mkdir()
    (tmp_path / "var" / "admin.key").write_text(KEY + "\n")
    assert (await run(api.url, "links", "list", key=None, folder=tmp_path))[0] == 0


@pytest.mark.parametrize("status", [200, 404])
async def test_what_is_not_the_api_is_told(receiver: Receiver, status: int) -> None:
    async def answer(_received: Received) -> web.StreamResponse:
        return web.Response(status=status, text="<html>", content_type="text/html")

    receiver.behave = answer
    code, _, errors = await run(receiver.url, "links", "list")
    assert (code, "Is that the API" in errors) == (4, True), errors


async def test_the_postman_collection_has_every_operation_with_a_body_that_fits(api: RunningApi) -> None:
    document = (await api.client.get("/openapi.json")).json()
    collection = collection_of(document, base_url=api.url)
    assert collection["info"]["schema"] == SCHEMA
    requests = [item for folder in collection["item"] for item in folder["item"]]
    operations = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    assert len(requests) == len(operations)
    for item in requests:
        request = item["request"]
        names = {variable["key"] for variable in request["url"]["variable"]}
        segments = [f"{{{part[1:]}}}" if part[1:] in names else part for part in request["url"]["path"]]
        assert (request["method"], "/" + "/".join(segments)) in operations
    (make,) = [item["request"] for item in requests if item["name"] == "Make Link"]
    answer = await api.client.post("/v1/links", json=json.loads(make["body"]["raw"]))
    assert answer.status_code == 201
    code, output, _ = await run(api.url, "postman")
    assert (code, json.loads(output)) == (0, collection)


async def test_the_client_streams_both_ways_and_raises_what_is_wrong(api: RunningApi) -> None:
    def use() -> None:
        with Client(api.url, KEY) as client:
            link = client.make_link(destination_url="https://www.example.com/", tags=["sms"])
            minted = client.mint(link["id"], ({"recipient": str(number)} for number in range(20_000)))
            assert [one["recipient"] for one in minted] == [str(number) for number in range(20_000)]
            assert [each["id"] for each in client.items("/v1/links", limit=1)] == [link["id"]]
            with pytest.raises(ApiError) as refused:
                client.change_link("lnk_none", name="x")
            assert (refused.value.status, refused.value.problem["type"]) == (404, "/problems/not-found")
            with pytest.raises(ZeroDivisionError):
                list(client.mint(link["id"], ({"recipient": str(1 // number)} for number in (1, 0))))
        with Client("http://127.0.0.1:9", KEY) as nobody, pytest.raises(UnreachableError):
            nobody.make_link(destination_url="https://www.example.com/")

    await asyncio.to_thread(use)
    async with AsyncClient(api.url, KEY) as client:
        operations = [{"destination_url": "https://www.example.com/", "code": f"Async{n}"} for n in range(3)]
        verdicts = [verdict async for block in client.change_links(operations) for verdict in block]
        assert [verdict["link"]["code"] for verdict in verdicts] == ["Async0", "Async1", "Async2"]


async def test_a_click_is_explained(api: RunningApi) -> None:
    link = await api.make()
    command = ("links", "explain", str(link["id"]), "--address", "192.0.2.1", "--user-agent")
    explained, (code, table, _), (usage, _, errors) = await asyncio.gather(
        run_json(api.url, *command, "Mozilla/5.0", "--header", "Sec-Purpose: prefetch", "--method", "GET"),
        run(api.url, *command, "WhatsApp/2.24.20.89 A"),
        run(api.url, *command, "", "--header", "none"),
    )
    assert explained["event"]["signals"]["sec-purpose"] == "prefetch"
    assert (code, "preview: WhatsApp" in table, "https://www.example.com/" in table) == (0, True, True)
    assert (usage, "NAME:VALUE" in errors) == (2, True)


async def test_campaigns_and_tags_are_listed_with_their_links(api: RunningApi) -> None:
    await api.make(campaign="spring", tags=["sms", "uk"])
    await api.make(campaign="spring", tags=["sms"])
    campaigns, tags = await asyncio.gather(
        run_json(api.url, "campaigns"), run_json(api.url, "tags", "-q", "SM", "--limit", "5")
    )
    assert campaigns == [{"name": "spring", "links": 2, "active_links": 2}]
    assert tags == [{"name": "sms", "links": 2, "active_links": 2}]
