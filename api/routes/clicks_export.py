"""`/v1/links/{link_id}/clicks` and `/v1/clicks`: the clicks themselves, as pages or as a file."""

import asyncio
from collections.abc import AsyncIterator, Generator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Query
from fastapi.responses import StreamingResponse
from pydantic import BaseModel
from starlette.responses import Response

from api.auth import Tenant
from api.conventions.head_requests import IsHead
from api.errors import document_problems
from api.fields import Instant, instant_of
from api.problems import INVALID_PARAMETERS, NOT_FOUND, UNAUTHORIZED, UNAVAILABLE, Flaw, ProblemError
from api.reports.contract import (
    MEDIA_TYPES,
    ClickFilter,
    FileWriter,
    RangeError,
    Scope,
    ceil_ms,
    check_range,
    document_of,
    file_writer,
    page_of_clicks,
    stream_clicks,
)
from api.routes.links import Cursor, LinkId
from api.routes.stats import DEFAULT_RANGE, Label, read_scope
from api.services import Services, ServicesOf
from ingest.contract import Row

MAX_PAGE: Final = 1000

router = APIRouter(
    tags=["Reports"], responses=document_problems(UNAUTHORIZED, INVALID_PARAMETERS, UNAVAILABLE)
)


class ClickPage(BaseModel):
    data: list[dict[str, str]]
    next_cursor: str | None


Short = Annotated[str | None, Query(max_length=100)]


class Wish:
    """The query parameters: which clicks, and how to show them."""

    def __init__(
        self,
        services: ServicesOf,
        is_head: IsHead,
        start: Annotated[
            Instant | None, Query(alias="from", description="Default: 30 days before to")
        ] = None,
        end: Annotated[Instant | None, Query(alias="to", description="Not included. Default: now")] = None,
        verdict: Literal["human", "preview", "automated"] | None = None,
        route: Short = None,
        country: Short = None,
        channel: Short = None,
        kind: Annotated[
            Literal["json", "csv", "ndjson", "parquet"],
            Query(alias="format", description="json has pages; the others are all of it, streamed"),
        ] = "json",
        limit: Annotated[int, Query(ge=1, le=MAX_PAGE, description="Of a page")] = 50,
        cursor: Cursor = None,
        *,
        spreadsheet: Annotated[
            bool,
            Query(
                description="Of csv: with an apostrophe before each text that a spreadsheet would take for a"
                " formula, since strangers write user agents and referrers. false: every text as it is"
            ),
        ] = True,
    ) -> None:
        self.end: datetime = instant_of(services.clock()) if end is None else end
        self.start: datetime = self.end - DEFAULT_RANGE if start is None else start
        try:
            check_range(self.start, self.end)
        except RangeError as error:
            flaw = Flaw(str(error), parameter="from")
            raise ProblemError(INVALID_PARAMETERS, f"from, to: {error}", [flaw]) from None
        given = {"verdict": verdict, "route": route, "country": country, "channel": channel}
        self.equals = {name: value for name, value in given.items() if value is not None}
        self.is_head, self.kind, self.spreadsheet = is_head, kind, spreadsheet
        self.limit, self.cursor = limit, cursor


WishOf = Annotated[Wish, Depends(Wish)]
_STREAMS: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "A page, or a file that is cut off where the warehouse fails midway",
        "content": {
            media_type: {"schema": {"type": "string", "format": "binary"}}
            for media_type in MEDIA_TYPES.values()
        },
    }
}


@router.get(
    "/v1/links/{link_id}/clicks",
    response_model=ClickPage,
    responses={**_STREAMS, **document_problems(NOT_FOUND)},
)
async def list_clicks_of_link(link_id: LinkId, wish: WishOf, tenant: Tenant, services: ServicesOf) -> Any:
    """Clicks of one link: pages in order of time, or all of them as a file."""
    link = await services.links.read(tenant, link_id)
    return await _answer(services, wish, Scope(tenant, (link.number,)))


@router.get("/v1/clicks", response_model=ClickPage, responses=_STREAMS)
async def list_clicks(
    wish: WishOf,
    tenant: Tenant,
    services: ServicesOf,
    campaign: Label = None,
    tag: Label = None,
    domain: Annotated[str | None, Query(max_length=253)] = None,
) -> Any:
    """The same of all links, or of those of one campaign, tag or domain."""
    scope = await read_scope(services, tenant, campaign=campaign, tag=tag, domain=domain)
    return await _answer(services, wish, scope)


async def _answer(services: Services, wish: Wish, scope: Scope) -> ClickPage | Response:
    chosen = ClickFilter(scope, (ceil_ms(wish.start), ceil_ms(wish.end)), wish.equals)
    if wish.kind == "json":
        page, next_cursor = await asyncio.to_thread(
            page_of_clicks, services.warehouse, chosen, wish.limit, wish.cursor
        )
        return ClickPage(data=[document_of(row) for row in page], next_cursor=next_cursor)
    blocks = _no_rows() if wish.is_head else stream_clicks(services.warehouse, chosen)
    # The first block is had before the answer begins: a warehouse that is down is a 503, not half a file.
    first = await asyncio.to_thread(next, blocks, None)
    file = _write(file_writer(wish.kind, spreadsheet=wish.spreadsheet), first, blocks)
    headers = {"Content-Disposition": f'attachment; filename="clicks.{wish.kind}"'}
    return StreamingResponse(file, media_type=MEDIA_TYPES[wish.kind], headers=headers)


def _no_rows() -> Generator[list[Row]]:
    yield from ()


async def _write(
    writer: FileWriter, first: list[Row] | None, blocks: Generator[list[Row]]
) -> AsyncIterator[bytes]:
    """The file. Whoever stops reading ends the query; an error cuts the connection before the end."""
    loop = asyncio.get_running_loop()
    # A thread of its own: each thread of the pool would keep what it once needed for blocks.
    thread = ThreadPoolExecutor(1, "export")
    block = first
    try:
        while block is not None:
            if written := await loop.run_in_executor(thread, writer.write, block):
                yield written
            block = await loop.run_in_executor(thread, next, blocks, None)
        yield await loop.run_in_executor(thread, writer.end)
    finally:
        thread.submit(blocks.close)  # after the step that may be under way
        thread.shutdown(wait=False)
