"""`/v1/links/{link_id}/stats` and `/v1/stats`: clicks over time and by dimension."""

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Final, cast, get_args
from zoneinfo import ZoneInfo, available_timezones

from fastapi import APIRouter, Depends, Query
from pydantic import AfterValidator

from api.auth import Tenant
from api.errors import document_problems
from api.fields import Instant, instant_of
from api.problems import INVALID_PARAMETERS, NOT_FOUND, UNAUTHORIZED, UNAVAILABLE, Flaw, ProblemError
from api.report_models import Stats
from api.reports.contract import Dimension, Interval, RangeError, StatsQuery, stats
from api.routes.links import LinkId
from api.services import Services, ServicesOf

DEFAULT_RANGE: Final = timedelta(days=30)
DIMENSIONS: Final = get_args(Dimension)
_ZONES: Final = available_timezones()

router = APIRouter(
    tags=["Reports"], responses=document_problems(UNAUTHORIZED, INVALID_PARAMETERS, UNAVAILABLE)
)


def _check_dimensions(value: str) -> str:
    if not set(value.split(",")) <= set(DIMENSIONS):
        raise ValueError(f"A comma-separated list is wanted, of {', '.join(DIMENSIONS)}")
    return value


def _check_zone(value: str) -> str:
    if value not in _ZONES:
        raise ValueError("The name of a time zone is wanted, such as Europe/London or UTC")
    return value


@dataclass(frozen=True, slots=True)
class Report:
    """The query parameters of a report."""

    start: datetime
    end: datetime
    interval: Interval
    timezone: ZoneInfo
    exclude_bots: bool
    by: tuple[Dimension, ...]

    def query(self, tenant: str, link: int | None) -> StatsQuery:
        """Raises a 422 where the range can't be counted."""
        try:
            return StatsQuery(
                tenant=tenant,
                link=link,
                start=self.start,
                end=self.end,
                interval=self.interval,
                timezone=self.timezone,
                by=self.by,
                exclude_bots=self.exclude_bots,
            )
        except RangeError as error:
            raise _bad_range(error) from None


def read_report(
    services: ServicesOf,
    start: Annotated[Instant | None, Query(alias="from", description="Default: 30 days before to")] = None,
    end: Annotated[Instant | None, Query(alias="to", description="Not included. Default: now")] = None,
    interval: Interval = "day",
    timezone: Annotated[
        str,
        AfterValidator(_check_zone),
        Query(description="Whose days and hours", examples=["Europe/London"]),
    ] = "UTC",
    exclude_bots: Annotated[  # noqa: FBT002 - FastAPI passes it by name
        bool, Query(description="Count human clicks only, everywhere")
    ] = False,
    by: Annotated[
        str | None,
        AfterValidator(lambda value: value and _check_dimensions(value)),
        Query(description=f"Breakdowns, comma-separated: {', '.join(DIMENSIONS)}", examples=["country,os"]),
    ] = None,
) -> Report:
    """The parameters as values. Raises a 422."""
    end = instant_of(services.clock()) if end is None else end
    dimensions = cast("tuple[Dimension, ...]", tuple(by.split(","))) if by else ()
    start = end - DEFAULT_RANGE if start is None else start
    return Report(start, end, interval, ZoneInfo(timezone), exclude_bots, dimensions)


ReportOf = Annotated[Report, Depends(read_report)]


@router.get("/v1/links/{link_id}/stats", responses=document_problems(NOT_FOUND))
async def read_link_stats(link_id: LinkId, report: ReportOf, tenant: Tenant, services: ServicesOf) -> Stats:
    """Clicks of one link: totals, a series, and breakdowns by what `by` names."""
    link = await services.links.read(tenant, link_id)
    return await _count(services, report.query(tenant, link.number))


@router.get("/v1/stats")
async def read_tenant_stats(report: ReportOf, tenant: Tenant, services: ServicesOf) -> Stats:
    """The same over all links."""
    return await _count(services, report.query(tenant, None))


async def _count(services: Services, query: StatsQuery) -> Stats:
    try:
        counted = await asyncio.to_thread(stats, services.warehouse, query)
    except RangeError as error:
        raise _bad_range(error) from None
    return Stats.model_validate(counted)


def _bad_range(error: RangeError) -> ProblemError:
    return ProblemError(INVALID_PARAMETERS, f"from, to: {error}", [Flaw(str(error), parameter="from")])
