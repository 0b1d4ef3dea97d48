"""`/v1/audit`: who changed what, when and from where."""

import asyncio
from typing import Annotated, Final

from fastapi import APIRouter, Query

from api.audit.entries import AuditQuery, read_entries
from api.audit.models import AuditPage, AuditRecord
from api.auth import Tenant
from api.errors import document_problems
from api.fields import Instant, ms_of
from api.problems import FORBIDDEN, INVALID_PARAMETERS, UNAUTHORIZED, UNAVAILABLE
from api.services import ServicesOf

MAX_PAGE: Final = 1000

router = APIRouter(
    tags=["Access"], responses=document_problems(UNAUTHORIZED, FORBIDDEN, INVALID_PARAMETERS, UNAVAILABLE)
)


@router.get("/v1/audit")
async def list_audit(
    tenant: Tenant,
    services: ServicesOf,
    actor: Annotated[
        str | None, Query(max_length=256, description="A key's id, or a person's subject")
    ] = None,
    start: Annotated[Instant | None, Query(alias="from")] = None,
    end: Annotated[Instant | None, Query(alias="to", description="Not included")] = None,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 50,
    cursor: Annotated[
        str | None, Query(max_length=4096, description="next_cursor of the page before")
    ] = None,
) -> AuditPage:
    """List the account's changes, newest first. What was answered before this call is in it."""
    await services.audit_log.flush()
    query = AuditQuery(
        tenant=tenant,
        actor=actor,
        start_ms=None if start is None else ms_of(start),
        end_ms=None if end is None else ms_of(end),
        limit=limit,
        cursor=cursor,
    )
    entries, next_cursor = await asyncio.to_thread(read_entries, services.warehouse, query)
    return AuditPage(data=[AuditRecord.of(entry) for entry in entries], next_cursor=next_cursor)
