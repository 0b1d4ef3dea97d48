"""`/v1/links:upsert` and `/v1/links:bulk`."""

from typing import Annotated, Final

from fastapi import APIRouter, Body, Request, Response

from api.auth import Tenant
from api.bodies import JsonRoute, require_media_type
from api.bulk import LINES_A_CHUNK, Bulk
from api.conventions.etags import etag_of
from api.errors import document_problems
from api.models import Link, UpsertedLink
from api.ndjson import NDJSON_TYPES, NdjsonResponse
from api.problems import CODE_TAKEN, UNAUTHORIZED, UNAVAILABLE, UNSUPPORTED_MEDIA_TYPE
from api.routes.links import BODY_PROBLEMS, with_counts
from api.services import ServicesOf

_EXAMPLE: Final = (
    '{"op": "create", "destination_url": "https://www.example.com/spring", "code": "Bulk2026"}\n'
    '{"op": "upsert", "external_id": "crm-4711", "destination_url": "https://www.example.com/summer"}\n'
    '{"op": "update", "id": "lnk_8sTq0mVh2KxZ", "tags": ["sms"]}\n'
    '{"op": "delete", "id": "lnk_8sTq0mVh2KxZ"}\n'
)
_UPSERT_EXAMPLE: Final = {
    "external_id": "crm-4711",
    "destination_url": "https://www.example.com/summer",
    "tags": ["sms"],
}
_LINES: Final = {"schema": {"description": "A JSON object a line"}}

router = APIRouter(tags=["Links"], responses=document_problems(UNAUTHORIZED, UNAVAILABLE))
_json = APIRouter(route_class=JsonRoute)


@_json.put(
    "/v1/links:upsert",
    responses={
        201: {"description": "There was none; it was made", "model": Link},
        **document_problems(*BODY_PROBLEMS, CODE_TAKEN),
    },
    openapi_extra={"requestBody": {"content": {"application/json": {"example": _UPSERT_EXAMPLE}}}},
)
async def upsert_link(
    wanted: Annotated[UpsertedLink, Body()], tenant: Tenant, services: ServicesOf, response: Response
) -> Link:
    """Make the link with this `external_id`, or change the one that has it. Repeating it does no harm."""
    link, is_new = await services.links.upsert(tenant, wanted)
    if is_new:
        services.metrics.links_made.inc()
        response.status_code = 201
        response.headers["Location"] = f"/v1/links/{link.id}"
    response.headers["ETag"] = etag_of(link.version)
    return (await with_counts(services, tenant, [link]))[0]


@router.post(
    "/v1/links:bulk",
    response_class=Response,
    responses={
        200: {"description": "A verdict a line", "content": {NDJSON_TYPES[0]: _LINES}},
        **document_problems(UNSUPPORTED_MEDIA_TYPE),
    },
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {NDJSON_TYPES[0]: {**_LINES, "example": _EXAMPLE}},
        }
    },
)
async def change_links(request: Request, tenant: Tenant, services: ServicesOf) -> Response:
    """Create, upsert, update and delete links: NDJSON in, a verdict a line out, both streamed, in order.

    A line is a link as in `POST /v1/links`, with `op`: `create` (if left out), `upsert` (by `external_id`),
    `update` (by `id`, as PATCH) or `delete` (by `id`). Lines are done several at a time, save those that name
    a link alike, by `id` or by `external_id`: they follow each other. What fails is `{"line", "problem"}`,
    and the rest goes on.
    """
    media_type = require_media_type(request, NDJSON_TYPES)
    bulk = Bulk(services, tenant)
    return NdjsonResponse(request, bulk.answer, media_type, lines_a_chunk=LINES_A_CHUNK)


router.include_router(_json)
