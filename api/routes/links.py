"""`/v1/links` and `/v1/links/{link_id}`."""

import asyncio
from typing import Annotated, Final

from fastapi import APIRouter, Path, Query, Response

from api.auth import Tenant
from api.bodies import JsonRoute
from api.conventions.etags import IfMatch, etag_of
from api.errors import document_problems
from api.fields import instant_of
from api.models import Link, LinkPage, LinkPatch, NewLink
from api.problems import (
    BODY_TOO_LARGE,
    CODE_TAKEN,
    INVALID_BODY,
    INVALID_PARAMETERS,
    MALFORMED_BODY,
    NOT_FOUND,
    PRECONDITION_FAILED,
    UNAUTHORIZED,
    UNAVAILABLE,
    UNSUPPORTED_MEDIA_TYPE,
)
from api.reports.contract import counts_30d
from api.services import Services, ServicesOf
from api.urls import written_domain
from ingest.contract import LinkDocument, LinkListing, Sort, Status

MAX_PAGE: Final = 200

router = APIRouter(
    prefix="/v1/links",
    tags=["Links"],
    route_class=JsonRoute,
    responses=document_problems(UNAUTHORIZED, UNAVAILABLE),
)

LinkId = Annotated[str, Path(description="The link's id", examples=["lnk_8sTq0mVh2KxZ"])]
SearchText = Annotated[str | None, Query(max_length=200)]
Cursor = Annotated[str | None, Query(max_length=4096, description="next_cursor of the page before")]
BODY_PROBLEMS: Final = (MALFORMED_BODY, BODY_TOO_LARGE, UNSUPPORTED_MEDIA_TYPE, INVALID_BODY)


@router.post("", status_code=201, responses=document_problems(*BODY_PROBLEMS, CODE_TAKEN))
async def make_link(new: NewLink, tenant: Tenant, services: ServicesOf, response: Response) -> Link:
    """Make a link. Its short URL redirects as soon as this is answered."""
    link = await services.links.make(tenant, new)
    services.metrics.links_made.inc()
    response.headers["Location"] = f"/v1/links/{link.id}"
    response.headers["ETag"] = etag_of(link.version)
    return Link.of(link, sent=0, clicks=0, now_ms=services.clock())


@router.get("", responses=document_problems(INVALID_PARAMETERS))
async def list_links(
    tenant: Tenant,
    services: ServicesOf,
    q: Annotated[SearchText, Query(description="Found in name, URLs, campaign and external_id")] = None,
    status: Status | None = None,
    campaign: SearchText = None,
    tag: SearchText = None,
    domain: SearchText = None,
    external_id: SearchText = None,
    sort: Annotated[Sort, Query(description="With - the other way round")] = "-created_at",
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 50,
    cursor: Cursor = None,
) -> LinkPage:
    """List links, newest first unless `sort` says otherwise."""
    listing = LinkListing(
        now_ms=services.clock(),
        q=q,
        status=status,
        campaign=campaign,
        tag=tag,
        domain=domain and written_domain(domain),
        external_id=external_id,
        sort=sort,
        limit=limit,
        cursor=cursor,
    )
    links, next_cursor = await asyncio.to_thread(services.catalogue.links, tenant, listing)
    return LinkPage(data=await with_counts(services, tenant, links), next_cursor=next_cursor)


@router.get("/{link_id}", responses=document_problems(NOT_FOUND))
async def read_link(link_id: LinkId, tenant: Tenant, services: ServicesOf, response: Response) -> Link:
    """One link with its 30-day counts. `ETag` names the version of its fields, not of its counts."""
    link = await services.links.read(tenant, link_id)
    response.headers["ETag"] = etag_of(link.version)
    return (await with_counts(services, tenant, [link]))[0]


@router.patch("/{link_id}", responses=document_problems(*BODY_PROBLEMS, NOT_FOUND, PRECONDITION_FAILED))
async def change_link(
    patch: LinkPatch,
    link_id: LinkId,
    tenant: Tenant,
    services: ServicesOf,
    response: Response,
    if_match: IfMatch = None,
) -> Link:
    """Change all but code, domain and suffix, by JSON Merge Patch. The redirect follows within a second."""
    link = await services.links.change(tenant, link_id, patch, if_match=if_match)
    response.headers["ETag"] = etag_of(link.version)
    return (await with_counts(services, tenant, [link]))[0]


@router.delete(
    "/{link_id}",
    status_code=204,
    response_class=Response,
    responses=document_problems(NOT_FOUND, INVALID_PARAMETERS, PRECONDITION_FAILED),
)
async def delete_link(
    link_id: LinkId, tenant: Tenant, services: ServicesOf, if_match: IfMatch = None
) -> None:
    """Stop the redirect at once and erase the link's analytics for good. Its code is never given again."""
    await services.links.delete(tenant, link_id, if_match=if_match)
    services.metrics.links_deleted.inc()


async def with_counts(services: Services, tenant: str, links: list[LinkDocument]) -> list[Link]:
    """The links as they are answered."""
    now_ms = services.clock()
    now = instant_of(now_ms)
    counts = await asyncio.to_thread(
        counts_30d, services.warehouse, tenant, [link.number for link in links], now
    )
    return [
        Link.of(link, sent=sent, clicks=clicks, now_ms=now_ms)
        for link in links
        for sent, clicks in (counts[link.number],)
    ]
