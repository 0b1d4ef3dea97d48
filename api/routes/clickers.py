"""Who clicked: of a link, of a campaign, and one person across all links; as pages, or streamed whole."""

import asyncio
import csv
import io
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from typing import Annotated, Any, Final, Literal

import orjson
from fastapi import APIRouter, Depends, Path, Query, Response
from fastapi.responses import StreamingResponse

from api.auth import Tenant
from api.conventions.head_requests import IsHead
from api.errors import document_problems
from api.fields import Recipient, instant_of
from api.ndjson import NDJSON_TYPES
from api.problems import INVALID_PARAMETERS, NOT_FOUND, UNAUTHORIZED, UNAVAILABLE
from api.report_models import ClickedRecipient, ClickedRecipientPage
from api.reports.contract import BYTE_ORDER_MARK, Clickers, keep_texts, stream_who_clicked, who_clicked
from api.routes.links import Cursor, LinkId
from api.services import Services, ServicesOf

MAX_PAGE: Final = 1000
_COLUMNS: Final = tuple(ClickedRecipient.model_fields)
_MEDIA_TYPES: Final = {"csv": "text/csv; charset=utf-8", "ndjson": NDJSON_TYPES[0]}

Format = Annotated[
    Literal["json", "csv", "ndjson"],
    Query(alias="format", description="json has pages; csv and ndjson are all of it, streamed"),
]
Spreadsheet = Annotated[
    bool,
    Query(
        description="Of csv: with an apostrophe before each text that a spreadsheet would take for a formula,"
        " numbers such as +447700900123 among them. By default every text is as it is"
    ),
]
Limit = Annotated[int, Query(ge=1, le=MAX_PAGE, description="Of a page; not of csv and ndjson")]

router = APIRouter(
    tags=["Recipients"], responses=document_problems(UNAUTHORIZED, INVALID_PARAMETERS, UNAVAILABLE)
)
_STREAMS: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "content": {
            "text/csv": {"schema": {"type": "string"}},
            NDJSON_TYPES[0]: {"schema": {"type": "string"}},
        }
    }
}


class Wish:
    """The query parameters: how to show them."""

    def __init__(
        self,
        is_head: IsHead,
        kind: Format = "json",
        limit: Limit = 50,
        cursor: Cursor = None,
        *,
        spreadsheet: Spreadsheet = False,
    ) -> None:
        self.is_head, self.kind, self.spreadsheet = is_head, kind, spreadsheet
        self.limit, self.cursor = limit, cursor


WishOf = Annotated[Wish, Depends(Wish)]


@router.get(
    "/v1/links/{link_id}/recipients",
    response_model=ClickedRecipientPage,
    responses={**_STREAMS, **document_problems(NOT_FOUND)},
)
async def list_recipients(
    link_id: LinkId,
    tenant: Tenant,
    services: ServicesOf,
    wish: WishOf,
) -> Any:
    """Who clicked a link: recipients with a human click, ordered by recipient."""
    link = await services.links.read(tenant, link_id)
    return await _answer(services, Clickers(tenant, link=link.number), wish)


@router.get(
    "/v1/campaigns/{campaign:path}/recipients", response_model=ClickedRecipientPage, responses=_STREAMS
)
async def list_campaign_recipients(
    campaign: Annotated[str, Path(max_length=100, examples=["spring-2026"])],
    tenant: Tenant,
    services: ServicesOf,
    wish: WishOf,
) -> Any:
    """Who clicked any link of a campaign: recipients with a human click, link by link."""
    return await _answer(services, Clickers(tenant, campaign=campaign), wish)


@router.get("/v1/recipients/{recipient:path}/clicks", response_model=ClickedRecipientPage, responses=_STREAMS)
async def list_clicks_of_recipient(
    recipient: Annotated[
        Recipient, Path(description="As it was minted for, percent-encoded", examples=["+447700900123"])
    ],
    tenant: Tenant,
    services: ServicesOf,
    wish: WishOf,
) -> Any:
    """What one person clicked, across all links: each link with their human clicks on it."""
    return await _answer(services, Clickers(tenant, recipient=recipient), wish)


async def _answer(services: Services, clickers: Clickers, wish: Wish) -> ClickedRecipientPage | Response:
    if wish.kind == "json":
        rows, next_cursor = await asyncio.to_thread(
            who_clicked, services.warehouse, clickers, wish.limit, wish.cursor
        )
        return ClickedRecipientPage(data=[ClickedRecipient.of(row) for row in rows], next_cursor=next_cursor)
    blocks = iter(()) if wish.is_head else stream_who_clicked(services.warehouse, clickers)
    # The first block is had before the answer begins: a warehouse that is down is a 503, not half a file.
    first: list[dict[str, Any]] = await asyncio.to_thread(next, blocks, [])
    if wish.kind == "csv":
        head = (BYTE_ORDER_MARK if wish.spreadsheet else "") + ",".join(_COLUMNS) + "\r\n"
        write = _to_spreadsheet if wish.spreadsheet else _to_csv
    else:
        head, write = "", _to_ndjson
    file = _stream(first, blocks, write, head.encode())
    return StreamingResponse(file, media_type=_MEDIA_TYPES[wish.kind])


async def _stream(
    first: list[dict[str, Any]],
    blocks: Iterator[list[dict[str, Any]]],
    write: Callable[[list[dict[str, Any]]], bytes],
    head: bytes,
) -> AsyncIterator[bytes]:
    if head:
        yield head
    block = first
    while block:
        yield write(block)
        block = await asyncio.to_thread(next, blocks, [])


def _to_csv(rows: list[dict[str, Any]]) -> bytes:
    return _write_csv(_cells(row) for row in rows)


def _to_spreadsheet(rows: list[dict[str, Any]]) -> bytes:
    return _write_csv(keep_texts(_cells(row)) for row in rows)


def _cells(row: dict[str, Any]) -> list[str]:
    shown = _show(row)
    return [str(shown[name]) for name in _COLUMNS]


def _write_csv(rows: Iterable[list[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


def _to_ndjson(rows: list[dict[str, Any]]) -> bytes:
    return b"".join(orjson.dumps(_show(row), option=orjson.OPT_APPEND_NEWLINE) for row in rows)


def _show(row: dict[str, Any]) -> dict[str, Any]:
    """As `ClickedRecipient`, without the cost of a model each."""
    times = {
        f"{which}_click_at": instant_of(row[f"{which}_click_ms"]).isoformat().replace("+00:00", "Z")
        for which in ("first", "last")
    }
    shown = {**row, **times}
    return {name: shown[name] for name in _COLUMNS}
