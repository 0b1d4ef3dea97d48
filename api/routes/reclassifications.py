"""`/v1/reclassifications`: stored clicks judged again by today's rules. The aggregator does the work."""

import asyncio
from datetime import UTC, datetime
from typing import Annotated, Literal, Self

from fastapi import APIRouter, Path, status
from pydantic import BaseModel, Field, StrictBool

from aggregator.contract import (
    Reclassification,
    list_reclassifications,
    read_reclassification,
    request_reclassification,
)
from api.audit.changes import note_change
from api.bodies import JsonRoute
from api.errors import document_problems
from api.fields import Instant, ms_of
from api.models import Body
from api.problems import INVALID_PARAMETERS, NOT_FOUND, UNAUTHORIZED, UNAVAILABLE, not_found
from api.routes.links import BODY_PROBLEMS
from api.services import ServicesOf

router = APIRouter(
    prefix="/v1/reclassifications",
    tags=["Verdicts"],
    route_class=JsonRoute,
    responses=document_problems(UNAUTHORIZED, UNAVAILABLE),
)


class NewReclassification(Body):
    """Which clicks to judge again."""

    since: Instant = Field(description="The first moment")
    until: Instant | None = Field(None, description="The moment after the last; now if left out")
    tenant: str | None = Field(None, max_length=100, description="Of one tenant only")
    dry_run: StrictBool = Field(default=False, description="Tell the difference, change nothing")


class VerdictChange(BaseModel):
    """How many clicks go from one judgement to another."""

    verdict_before: str
    rule_before: str
    verdict: str
    rule: str
    clicks: int


class ReclassificationProgress(BaseModel):
    """How far it is, and the difference: known before it is made, once `state` is `changing`."""

    id: str
    tenant: str | None
    since: datetime
    until: datetime
    dry_run: bool
    state: Literal["waiting", "judging", "changing", "done", "failed"]
    months: int = Field(description="Calendar months that have such clicks")
    months_done: int = Field(description="Months finished in this state")
    judged: int = Field(description="Clicks looked at")
    changed: int = Field(description="Clicks that are judged otherwise")
    changes: list[VerdictChange] = Field(description="The 1,000 most frequent, the largest first")
    rules_version: int
    requested_at: datetime
    finished_at: datetime | None
    error: str | None

    @classmethod
    def of(cls, document: Reclassification) -> Self:
        return cls(
            id=document.id,
            tenant=document.tenant,
            since=_moment(document.since_ms),
            until=_moment(document.until_ms),
            dry_run=document.dry_run,
            state=document.state,
            months=document.months,
            months_done=document.months_done,
            judged=document.judged,
            changed=document.changed,
            changes=[
                VerdictChange(
                    verdict_before=change.verdict_before,
                    rule_before=change.rule_before,
                    verdict=change.verdict,
                    rule=change.rule,
                    clicks=change.clicks,
                )
                for change in document.changes
            ],
            rules_version=document.rules_version,
            requested_at=_moment(document.requested_at_ms),
            finished_at=None if document.finished_at_ms is None else _moment(document.finished_at_ms),
            error=document.error,
        )


class ReclassificationList(BaseModel):
    data: list[ReclassificationProgress]
    next_cursor: None = Field(None, description="Always null: all are on one page")


@router.post("", status_code=status.HTTP_202_ACCEPTED, responses=document_problems(*BODY_PROBLEMS))
async def start_reclassification(body: NewReclassification, services: ServicesOf) -> ReclassificationProgress:
    """Judge stored clicks again by today's rules. Begins within seconds; ask for its progress by its id."""
    now_ms = services.clock()
    asked = await asyncio.to_thread(
        request_reclassification,
        services.warehouse,
        tenant=body.tenant,
        since_ms=ms_of(body.since),
        until_ms=now_ms if body.until is None else ms_of(body.until),
        dry_run=body.dry_run,
        now_ms=now_ms,
    )
    note_change("reclassification", asked.id, after=asked)
    return ReclassificationProgress.of(asked)


@router.get("")
async def list_all_reclassifications(services: ServicesOf) -> ReclassificationList:
    """List what was ever asked for, the oldest first."""
    documents = await asyncio.to_thread(list_reclassifications, services.warehouse)
    return ReclassificationList(data=[ReclassificationProgress.of(document) for document in documents])


@router.get("/{reclassification_id}", responses=document_problems(NOT_FOUND, INVALID_PARAMETERS))
async def read_one_reclassification(
    reclassification_id: Annotated[str, Path(max_length=100)], services: ServicesOf
) -> ReclassificationProgress:
    """Read how far it is and what it changes."""
    document = await asyncio.to_thread(read_reclassification, services.warehouse, reclassification_id)
    if document is None:
        raise not_found("reclassification")
    return ReclassificationProgress.of(document)


def _moment(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)
