"""`POST /v1/imports`: links of other shorteners, with their codes and counts."""

from typing import Annotated, Final

from fastapi import APIRouter, Query, Request, Response

from api.auth import Tenant
from api.bodies import require_media_type
from api.errors import document_problems
from api.imports.columns import Source
from api.imports.importing import LINES_A_CHUNK, Importing
from api.imports.records import RecordCutter
from api.ndjson import NDJSON_TYPES, NdjsonResponse
from api.problems import INVALID_PARAMETERS, UNAUTHORIZED, UNAVAILABLE, UNSUPPORTED_MEDIA_TYPE
from api.services import ServicesOf

CSV_TYPE: Final = "text/csv"
_LINES: Final = {"schema": {"type": "string"}}
_EXAMPLE: Final = (
    "keyword,url,title,timestamp,ip,clicks\n"
    "Spring25,https://www.example.com/spring,Spring,2025-03-01 08:00:00,192.0.2.1,1204\n"
)

router = APIRouter(tags=["Links"], responses=document_problems(UNAUTHORIZED, UNAVAILABLE))


@router.post(
    "/v1/imports",
    response_class=Response,
    responses={
        200: {"description": "A verdict a row", "content": {NDJSON_TYPES[0]: _LINES}},
        **document_problems(UNSUPPORTED_MEDIA_TYPE, INVALID_PARAMETERS),
    },
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                CSV_TYPE: {
                    "schema": {"description": "RFC 4180: rows below a header, of at most 65,536 bytes each"},
                    "example": _EXAMPLE,
                },
                NDJSON_TYPES[0]: {
                    "schema": {"description": "A JSON object a line"},
                    "example": '{"keyword": "Spring25", "url": "https://www.example.com/spring"}\n',
                },
            },
        }
    },
)
async def import_links(
    request: Request,
    tenant: Tenant,
    services: ServicesOf,
    source: Annotated[
        Source, Query(description="Whose export it is; csv for one with our own names")
    ] = "csv",
    domain: Annotated[
        str | None, Query(max_length=260, description="Where the links shall stand; the default domain")
    ] = None,
    dry_run: Annotated[  # noqa: FBT002 - FastAPI passes it by name
        bool, Query(description="Make nothing, only tell what would become of each row")
    ] = False,
) -> Response:
    """Import links with their codes and, apart from measured clicks, their counts: a verdict a row, streamed.

    CSV with a header (`text/csv`), or a JSON object a line (`application/x-ndjson`), as exports and APIs of
    Bitly, Shlink, Dub, Kutt and YOURLS have them. A code that can't be kept is refused in its line. Cells of
    CSV may have line breaks inside of quotes; `line` is where a row begins.
    """
    media_type = require_media_type(request, (CSV_TYPE, *NDJSON_TYPES))
    is_csv = media_type == CSV_TYPE
    importing = Importing(services, tenant, source, is_csv=is_csv, domain=domain, dry_run=dry_run)
    return NdjsonResponse(
        request,
        importing.answer,
        NDJSON_TYPES[0],
        lines_a_chunk=LINES_A_CHUNK,
        cutter=RecordCutter() if is_csv else None,
    )
