"""Codes for recipients: by JSON and by NDJSON, each pair its same code, in constant memory."""

import asyncio
import json
import tracemalloc
from collections.abc import AsyncIterator
from typing import Any

import pytest

from api.ndjson import Line, cut_chunks
from tests.api.conftest import DOMAIN, KEY, RunningApi

NDJSON = {"Content-Type": "application/x-ndjson"}


async def mint(api: RunningApi, link: dict[str, Any], *recipients: dict[str, str]) -> list[dict[str, str]]:
    answer = await api.client.post(f"/v1/links/{link['id']}/recipients", json={"recipients": recipients})
    assert answer.status_code == 200, answer.text
    minted: list[dict[str, str]] = answer.json()["data"]
    return minted


async def mint_lines(api: RunningApi, link: dict[str, Any], body: bytes) -> list[dict[str, Any]]:
    answer = await api.client.post(f"/v1/links/{link['id']}/recipients", content=body, headers=NDJSON)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/x-ndjson"
    return [json.loads(line) for line in answer.text.splitlines()]


async def test_each_recipient_gets_a_code_that_leads_to_the_link(api: RunningApi) -> None:
    link = await api.make(suffix="cisco", code="Own1")
    first, second = await mint(
        api, link, {"recipient": "+447700900123"}, {"recipient": "b", "reference": "r"}
    )
    assert first["recipient"] == "+447700900123"
    assert second["reference"] == "r"
    assert first["code"] != second["code"]
    assert first["short_url"] == f"https://{DOMAIN}/cisco/{first['code']}"
    number = await api.link_store.resolve("", "Own1")
    assert await api.link_store.resolve("", first["code"]) == number
    sent = (await api.client.get(f"/v1/links/{link['id']}")).json()["links_sent_30d"]
    assert sent == 2


async def test_the_same_pair_gets_its_same_code(api: RunningApi) -> None:
    link = await api.make()
    alice, with_reference = {"recipient": "alice"}, {"recipient": "alice", "reference": "2"}
    first = await mint(api, link, alice, with_reference, alice)
    assert first[0] == first[2]
    assert first[0]["code"] != first[1]["code"]
    again = await mint(api, link, with_reference, {"recipient": "bob"}, alice)
    assert (again[0], again[2]) == (first[1], first[0])
    assert api.registry.get_sample_value("smartlinks_api_codes_minted_total") == 3
    other = await mint(api, await api.make(), alice)
    assert other[0]["code"] != first[0]["code"]


@pytest.mark.parametrize("taken", ["of another recipient", "the link's own", "of another link"])
async def test_a_code_that_is_taken_is_drawn_again_and_the_others_are_used(
    api: RunningApi, monkeypatch: pytest.MonkeyPatch, taken: str
) -> None:
    link = await api.make(code="Own12345")
    await api.make(code="Other123")
    [alice] = await mint(api, link, {"recipient": "alice"})
    code = {"of another recipient": alice["code"], "the link's own": "Own12345"}.get(taken, "Other123")
    draws = iter([["fresh001", code, "fresh002"], [code], ["fresh003"]])
    monkeypatch.setattr("api.recipients.generate_many", lambda _count: next(draws))
    minted = await mint(api, link, {"recipient": "bob"}, {"recipient": "carol"}, {"recipient": "dave"})
    assert [each["code"] for each in minted] == ["fresh001", "fresh003", "fresh002"]
    assert (await mint(api, link, {"recipient": "alice"}))[0]["code"] == alice["code"]


async def test_who_asks_for_a_pair_at_once_gets_one_code(api: RunningApi) -> None:
    link = await api.make()
    minted = await asyncio.gather(*(mint(api, link, {"recipient": "alice"}) for _ in range(8)))
    assert len({one["code"] for (one,) in minted}) == 1


async def test_bad_recipients_are_named(api: RunningApi) -> None:
    path = f"/v1/links/{(await api.make())['id']}/recipients"
    for recipients, pointer in (
        ([], "#/recipients"),
        ([{"recipient": ""}], "#/recipients/0/recipient"),
        ([{"recipient": "a"}, {"recipient": "b\x00"}], "#/recipients/1/recipient"),
        ([{"recipient": 447700900123}], "#/recipients/0/recipient"),
        ([{"recipient": "a", "ref": "b"}], "#/recipients/0/ref"),
        ([{"recipient": "a" * 257}], "#/recipients/0/recipient"),
        ([{"recipient": "a"}] * 10_001, "#/recipients"),
    ):
        answer = await api.client.post(path, json={"recipients": recipients})
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)
    unknown = await api.client.post(
        "/v1/links/lnk_none/recipients", json={"recipients": [{"recipient": "a"}]}
    )
    assert unknown.status_code == 404
    plain = await api.client.post(path, content=b"x", headers={"Content-Type": "text/plain"})
    assert plain.status_code == 415


async def test_every_line_gets_a_verdict_in_order(api: RunningApi) -> None:
    link = await api.make()
    long = json.dumps({"recipient": "x" * 70_000}).encode()
    body = b"\n".join(
        [
            b'{"recipient": "a"}',
            b"",
            b"nope",
            b'{"recipient": ""}\r',
            b'{"recipient": "a"}',
            long,
            b'{"recipient":"z"}',
        ]
    )
    first, malformed, empty, repeated, too_long, last = await mint_lines(api, link, body)
    assert first == repeated
    assert set(first) == {"recipient", "reference", "code", "short_url"}
    assert (malformed["line"], malformed["problem"]["type"]) == (3, "/problems/malformed-body")
    assert (empty["line"], empty["problem"]["errors"][0]["pointer"]) == (4, "#/recipient")
    assert (too_long["line"], too_long["problem"]["type"]) == (6, "/problems/body-too-large")
    assert last["recipient"] == "z"


async def test_an_unknown_link_is_said_before_the_stream(api: RunningApi) -> None:
    answer = await api.client.post("/v1/links/lnk_none/recipients", content=b"{}", headers=NDJSON)
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")


async def test_the_answer_comes_while_the_request_still_goes(api: RunningApi) -> None:
    """A client may wait for the first verdicts before it sends the rest."""
    link = await api.make()
    first_verdict = asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        yield b'{"recipient": "0"}\n'
        await first_verdict.wait()
        yield b'{"recipient": "last"}\n'

    host, port = api.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port), limit=2**24)
    writer.write(
        f"POST /v1/links/{link['id']}/recipients HTTP/1.1\r\nHost: x\r\nKey: {KEY}\r\n"
        "Content-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    )

    async def send() -> None:
        async for piece in body():
            writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        writer.write(b"0\r\n\r\n")

    sending = asyncio.create_task(send())
    assert b"short_url" in await reader.readuntil(b'"0"') + await reader.readuntil(b"\n")
    first_verdict.set()
    await reader.readuntil(b'"last"')
    await sending
    writer.close()


async def test_fifty_thousand_in_one_stream_by_a_client_that_reads_nothing_before_it_has_sent_all(
    api: RunningApi,
) -> None:
    count = 50_000
    body = b"".join(b'{"recipient": "+44%010d"}\n' % number for number in range(count))
    minted = await mint_lines(api, await api.make(), body)
    assert [one["recipient"] for one in minted] == [f"+44{number:010d}" for number in range(count)]
    assert len({one["code"] for one in minted}) == count
    assert api.warehouse.query("SELECT count(), uniqExact(code) FROM codes") == [(count, count)]
    assert api.outbox.backlog == 0


async def test_the_streams_memory_does_not_grow_with_its_length(api: RunningApi) -> None:
    """The peak of a stream of 30,000 is hardly above that of one of 10,000."""

    async def peak_bytes(count: int) -> int:
        async def body() -> AsyncIterator[bytes]:
            for start in range(0, count, 100):
                numbers = range(start, start + 100)
                yield b"".join(b'{"recipient": "%d", "reference": "%d"}\n' % (n, count) for n in numbers)

        path = f"/v1/links/{link['id']}/recipients"
        tracemalloc.reset_peak()
        async with api.client.stream("POST", path, content=body(), headers=NDJSON) as answer:
            assert len([None async for _ in answer.aiter_lines()]) == count
        return tracemalloc.get_traced_memory()[1]

    link = await api.make()
    tracemalloc.start()
    try:
        short, long = await peak_bytes(10_000), await peak_bytes(30_000)
    finally:
        tracemalloc.stop()
    assert long < short * 1.25 + 2_000_000


@pytest.mark.parametrize("piece_bytes", [1, 7, 1000])
async def test_lines_are_the_same_however_the_body_is_cut(piece_bytes: int) -> None:
    body = b"one\n\n  \r\ntwo\nthree" + b"x" * 70_000 + b"\nfour"

    async def pieces() -> AsyncIterator[bytes]:
        for at in range(0, len(body), piece_bytes):
            yield body[at : at + piece_bytes]

    lines = [Line(1, b"one"), Line(4, b"two"), Line(5, None), Line(6, b"four")]
    assert [chunk async for chunk in cut_chunks(pieces())] == [lines]
