"""`/v1/campaigns` and `/v1/tags`: the labels that links bear, with counts."""

import asyncio
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from api.auth import Tenant
from api.errors import document_problems
from api.problems import INVALID_PARAMETERS, UNAUTHORIZED, UNAVAILABLE
from api.services import Services, ServicesOf

router = APIRouter(tags=["Links"], responses=document_problems(UNAUTHORIZED, INVALID_PARAMETERS, UNAVAILABLE))

LabelSearch = Annotated[str, Query(max_length=100, description="Found in the name, in any case")]
LabelCursor = Annotated[str, Query(max_length=200, description="next_cursor of the page before")]
LabelLimit = Annotated[int, Query(ge=1, le=1000)]


class LabelCount(BaseModel):
    name: str = Field(examples=["spring-2026"])
    links: int = Field(description="How many links bear it")
    active_links: int


class LabelPage(BaseModel):
    data: list[LabelCount]
    next_cursor: str | None = Field(description="Send it as cursor to get the next page; null on the last")


@router.get("/v1/campaigns")
async def list_campaigns(
    tenant: Tenant,
    services: ServicesOf,
    q: LabelSearch = "",
    limit: LabelLimit = 200,
    cursor: LabelCursor = "",
) -> LabelPage:
    """List campaigns by name. `/v1/stats?campaign=` has their clicks."""
    return await _count(services, tenant, "campaign", q, limit, cursor)


@router.get("/v1/tags")
async def list_tags(
    tenant: Tenant,
    services: ServicesOf,
    q: LabelSearch = "",
    limit: LabelLimit = 200,
    cursor: LabelCursor = "",
) -> LabelPage:
    """List tags by name. `/v1/stats?tag=` has their clicks."""
    return await _count(services, tenant, "tag", q, limit, cursor)


async def _count(
    services: Services, tenant: str, label: Literal["campaign", "tag"], q: str, limit: int, cursor: str
) -> LabelPage:
    """The cursor is the last name of the page before: names are the order."""
    rows = await asyncio.to_thread(
        services.catalogue.label_counts, tenant, label, q, cursor, limit + 1, services.clock()
    )
    data = [LabelCount(name=name, links=links, active_links=active) for name, links, active in rows[:limit]]
    return LabelPage(data=data, next_cursor=data[-1].name if len(rows) > limit else None)
