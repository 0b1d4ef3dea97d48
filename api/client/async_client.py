"""The client for asyncio."""

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Mapping
from types import TracebackType
from typing import Any, Self, cast
from urllib.parse import quote

import orjson

from api.client.answers import ClickedRecipient, Json, Link, MintedCode, Page, Stats, Verdict
from api.client.transport import NDJSON, Lines, Transport

Record = Mapping[str, Any] | bytes
Records = AsyncIterable[Record] | Iterable[Record]
"""Objects, or lines of an NDJSON file as they are: what is no JSON has a verdict that says so."""


class AsyncClient:
    """Use it as an async context manager. Every method may raise `ClientError`."""

    def __init__(self, url: str, key: str) -> None:
        self._transport = Transport(url, key)

    async def __aenter__(self) -> Self:
        await self._transport.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._transport.__aexit__(kind, error, trace)

    async def call(self, method: str, path: str, body: object = None, **parameters: object) -> Json:
        """Any call of the API, such as `call("GET", "/v1/keys")`."""
        return await self._transport.call(method, path, parameters, body)

    async def pages(self, path: str, **parameters: object) -> AsyncIterator[list[Any]]:
        """The `data` of every page of a list."""
        cursor: str | None = None
        while True:
            page = await self._transport.call("GET", path, {**parameters, "cursor": cursor})
            yield page["data"]
            cursor = page["next_cursor"]
            if cursor is None:
                return

    async def list_links(self, **parameters: object) -> Page[Link]:
        """A page; by `q`, `status`, `campaign`, `tag`, `domain`, `external_id`, `sort`, `limit`, `cursor`."""
        return cast("Page[Link]", await self.call("GET", "/v1/links", **parameters))

    async def make_link(self, *, destination_url: str, **fields: object) -> Link:
        return cast(
            "Link", await self.call("POST", "/v1/links", {"destination_url": destination_url, **fields})
        )

    async def upsert_link(self, *, external_id: str, destination_url: str, **fields: object) -> Link:
        body = {"external_id": external_id, "destination_url": destination_url, **fields}
        return cast("Link", await self.call("PUT", "/v1/links:upsert", body))

    async def read_link(self, link_id: str) -> Link:
        return cast("Link", await self.call("GET", f"/v1/links/{_segment(link_id)}"))

    async def change_link(self, link_id: str, **fields: object) -> Link:
        """By JSON Merge Patch: None takes a field away."""
        return cast("Link", await self.call("PATCH", f"/v1/links/{_segment(link_id)}", fields))

    async def delete_link(self, link_id: str) -> None:
        await self.call("DELETE", f"/v1/links/{_segment(link_id)}")

    async def draw_qr_code(self, link_id: str, **parameters: object) -> bytes:
        """By `format` (svg, png), `code`, `size`, `dark`, `light`, `error_correction`, `margin`."""
        return await self._transport.fetch("GET", f"/v1/links/{_segment(link_id)}/qr", parameters)

    async def change_links(self, operations: Records) -> AsyncIterator[list[Verdict]]:
        """Many at once, each with its `op`; blocks of verdicts, in order."""
        async for block in self._transport.send_lines("/v1/links:bulk", _lines(operations)):
            yield block

    async def import_links(
        self,
        lines: Lines,
        *,
        source: str,
        content_type: str = "text/csv",
        domain: str | None = None,
        dry_run: bool = False,
    ) -> AsyncIterator[list[Verdict]]:
        """The lines of an export, CSV or NDJSON; blocks of verdicts, in order."""
        parameters = {"source": source, "domain": domain, "dry_run": dry_run}
        async for block in self._transport.send_lines("/v1/imports", lines, parameters, content_type):
            yield block

    async def mint(self, link_id: str, recipients: Records) -> AsyncIterator[list[MintedCode]]:
        """A code for each `{"recipient", "reference"?}`; blocks of them, in order."""
        path = f"/v1/links/{_segment(link_id)}/recipients"
        async for block in self._transport.send_lines(path, _lines(recipients)):
            yield block

    async def who_clicked(
        self, *, link_id: str | None = None, campaign: str | None = None, recipient: str | None = None
    ) -> AsyncIterator[list[ClickedRecipient]]:
        """Of a link, of a campaign, or one person: blocks of recipients with a human click."""
        if link_id is not None:
            path = f"/v1/links/{_segment(link_id)}/recipients"
        elif campaign is not None:
            path = f"/v1/campaigns/{_segment(campaign)}/recipients"
        else:
            path = f"/v1/recipients/{_segment(recipient or '')}/clicks"
        async for block in self._transport.receive("GET", path, {"format": "ndjson"}):
            yield [orjson.loads(line) for line in block.splitlines()]

    async def erase_recipient(self, recipient: str) -> Json:
        return await self.call("DELETE", f"/v1/recipients/{_segment(recipient)}")

    async def stats(self, link_id: str | None = None, **parameters: object) -> Stats:
        """Of a link, or of all: `from`, `to`, `interval`, `timezone`, `by`, `exclude_bots` and more."""
        path = "/v1/stats" if link_id is None else f"/v1/links/{_segment(link_id)}/stats"
        return cast("Stats", await self.call("GET", path, **parameters))

    async def export_clicks(self, link_id: str | None = None, **parameters: object) -> AsyncIterator[bytes]:
        """The rows of a link's clicks, or of all, as bytes of a file.

        By `format` (csv, ndjson, parquet), `from`, `to`, `campaign`, `tag`, `domain`, `verdict`, `country`.
        CSV is safe to open in a spreadsheet; with `spreadsheet=False` its texts are as they are.
        """
        path = "/v1/clicks" if link_id is None else f"/v1/links/{_segment(link_id)}/clicks"
        async for piece in self._transport.receive("GET", path, parameters, by_line=False):
            yield piece


async def _lines(records: Records) -> AsyncIterator[bytes]:
    if isinstance(records, AsyncIterable):
        async for record in records:
            yield _line(record)
    else:
        for record in records:
            yield _line(record)


def _line(record: Record) -> bytes:
    if not isinstance(record, bytes):
        return orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE)
    return record if record.endswith(b"\n") else record + b"\n"


def _segment(text: str) -> str:
    return quote(text, safe="")


__all__ = ["NDJSON", "AsyncClient", "Records"]
