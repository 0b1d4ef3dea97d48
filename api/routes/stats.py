"""`/v1/links/{link_id}/stats` and `/v1/stats`: clicks over time and by dimension."""

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Final, Literal, cast
from zoneinfo import ZoneInfo, available_timezones

from fastapi import APIRouter, Depends, Query
from pydantic import AfterValidator

from aggregator.contract import DIMENSIONS
from api.auth import Tenant
from api.errors import document_problems
from api.fields import Instant, instant_of
from api.problems import INVALID_PARAMETERS, NOT_FOUND, UNAUTHORIZED, UNAVAILABLE, Flaw, ProblemError
from api.report_models import Stats
from api.reports.contract import (
    Dimension,
    Interval,
    Preset,
    RangeError,
    Scope,
    StatsQuery,
    preset_range,
    scope_of_label,
    stats,
    stats_before,
)
from api.routes.links import LinkId
from api.services import Services, ServicesOf
from api.urls import written_domain

DEFAULT_RANGE: Final = timedelta(days=30)
_ZONES: Final = available_timezones()

Label = Annotated[str | None, Query(min_length=1, max_length=200)]

router = APIRouter(
    tags=["Reports"], responses=document_problems(UNAUTHORIZED, INVALID_PARAMETERS, UNAVAILABLE)
)


def default_start(end: datetime) -> datetime:
    """30 days before, from the start of that quarter of an hour on: rollups are cut there."""
    start = end - DEFAULT_RANGE
    return start.replace(minute=start.minute // 15 * 15, second=0, microsecond=0)


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
    compare: bool

    def query(self, scope: Scope) -> StatsQuery:
        """Raises a 422 where the range can't be counted."""
        try:
            return StatsQuery(
                scope=scope,
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
    start: Annotated[
        Instant | None,
        Query(
            alias="from",
            description="Default: 30 days before to, from the start of that quarter of an hour on",
        ),
    ] = None,
    end: Annotated[Instant | None, Query(alias="to", description="Not included. Default: now")] = None,
    interval: Interval = "day",
    timezone: Annotated[
        str,
        AfterValidator(_check_zone),
        Query(
            description="Whose days and hours: a name of the tz database",
            examples=["Europe/London"],
            json_schema_extra={"format": "time-zone"},
        ),
    ] = "UTC",
    exclude_bots: Annotated[  # noqa: FBT002 - FastAPI passes it by name
        bool, Query(description="Count human clicks only, everywhere")
    ] = False,
    by: Annotated[
        str | None,
        AfterValidator(lambda value: value and _check_dimensions(value)),
        Query(
            description=f"Breakdowns, comma-separated: {', '.join(DIMENSIONS)}",
            examples=["country,os"],
            json_schema_extra={"pattern": f"^$|^({'|'.join(DIMENSIONS)})(,({'|'.join(DIMENSIONS)}))*$"},
        ),
    ] = None,
    preset: Annotated[
        Preset | None, Query(alias="range", description="A range by name, in whole days of the time zone")
    ] = None,
    compare: Annotated[
        Literal["previous_period"] | None,
        Query(description="Adds totals and series of the range of equal length before"),
    ] = None,
) -> Report:
    """The parameters as values. Raises a 422."""
    now, zone = instant_of(services.clock()), ZoneInfo(timezone)
    if preset is not None:
        if start is not None or end is not None:
            flaw = Flaw("Either a range by name, or from and to", parameter="range")
            raise ProblemError(INVALID_PARAMETERS, f"range: {flaw.detail}", [flaw])
        start, end = preset_range(preset, now, zone)
    end = now if end is None else end
    dimensions = cast("tuple[Dimension, ...]", tuple(by.split(","))) if by else ()
    start = default_start(end) if start is None else start
    return Report(start, end, interval, zone, exclude_bots, dimensions, compare is not None)


ReportOf = Annotated[Report, Depends(read_report)]


@router.get("/v1/links/{link_id}/stats", responses=document_problems(NOT_FOUND))
async def read_link_stats(link_id: LinkId, report: ReportOf, tenant: Tenant, services: ServicesOf) -> Stats:
    """Clicks of one link: totals, a series, and breakdowns by what `by` names."""
    link = await services.links.read(tenant, link_id)
    return await _count(services, report, Scope(tenant, (link.number,)))


@router.get("/v1/stats")
async def read_stats(
    report: ReportOf,
    tenant: Tenant,
    services: ServicesOf,
    campaign: Label = None,
    tag: Label = None,
    domain: Annotated[str | None, Query(max_length=253, examples=["s.example.com"])] = None,
) -> Stats:
    """The same over all links, or over those of one campaign, tag or domain."""
    scope = await read_scope(services, tenant, campaign=campaign, tag=tag, domain=domain)
    return await _count(services, report, scope)


async def read_scope(
    services: Services, tenant: str, *, campaign: str | None, tag: str | None, domain: str | None
) -> Scope:
    """Whose clicks are meant. Raises a 422 where more than one of the three is given."""
    given = {"campaign": campaign, "tag": tag, "domain": domain}
    names = [name for name, value in given.items() if value is not None]
    if len(names) > 1:
        flaws = [Flaw("One of campaign, tag and domain is wanted", parameter=name) for name in names]
        raise ProblemError(INVALID_PARAMETERS, f"{names[0]}: {flaws[0].detail}", flaws)
    if domain is not None:
        return Scope(tenant, domain=written_domain(domain))
    if not names:
        return Scope(tenant)
    try:
        return await asyncio.to_thread(scope_of_label, services.warehouse, tenant, campaign=campaign, tag=tag)
    except ValueError as error:
        flaw = Flaw(str(error), parameter=names[0])
        raise ProblemError(INVALID_PARAMETERS, f"{names[0]}: {error}", [flaw]) from None


async def _count(services: Services, report: Report, scope: Scope) -> Stats:
    as_of = instant_of(services.clock())
    query = report.query(scope)
    try:
        counted = await asyncio.to_thread(stats, services.warehouse, query)
        if report.compare:
            counted["previous"] = await asyncio.to_thread(stats_before, services.warehouse, query)
    except RangeError as error:
        raise _bad_range(error) from None
    return Stats.model_validate({**counted, "as_of": as_of})


def _bad_range(error: RangeError) -> ProblemError:
    return ProblemError(INVALID_PARAMETERS, f"from, to: {error}", [Flaw(str(error), parameter="from")])
