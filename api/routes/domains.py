"""`/v1/domains` and `/v1/domains/{host}`."""

from typing import Annotated, Final

from fastapi import APIRouter, Path, Response

from api.auth import Tenant
from api.bodies import JsonRoute
from api.domain_models import Domain, DomainPage, DomainPatch, NewDomain
from api.errors import document_problems
from api.problems import (
    BODY_TOO_LARGE,
    DOMAIN_IN_USE,
    DOMAIN_TAKEN,
    FORBIDDEN,
    INVALID_BODY,
    MALFORMED_BODY,
    NOT_FOUND,
    UNAUTHORIZED,
    UNAVAILABLE,
    UNSUPPORTED_MEDIA_TYPE,
)
from api.services import ServicesOf
from api.urls import written_domain

router = APIRouter(
    prefix="/v1/domains",
    tags=["Domains"],
    route_class=JsonRoute,
    responses=document_problems(UNAUTHORIZED, UNAVAILABLE),
)

BODY_PROBLEMS: Final = (MALFORMED_BODY, BODY_TOO_LARGE, UNSUPPORTED_MEDIA_TYPE, INVALID_BODY)
Host = Annotated[str, Path(description="As it is listed", examples=["go.example.com"])]


@router.get("")
async def list_domains(tenant: Tenant, services: ServicesOf) -> DomainPage:
    """List the domains that your links can be made on, the default one first."""
    domains = await services.domains.list_open(tenant)
    return DomainPage(data=[Domain.of(each, default=services.domains.default) for each in domains])


@router.post("", status_code=201, responses=document_problems(*BODY_PROBLEMS, DOMAIN_TAKEN))
async def make_domain(new: NewDomain, tenant: Tenant, services: ServicesOf, response: Response) -> Domain:
    """Add a domain. Each has a name space of its own: the same code may stand on two."""
    domain = await services.domains.make(tenant, new)
    response.headers["Location"] = f"/v1/domains/{domain.host}"
    return Domain.of(domain, default=services.domains.default)


@router.get("/{host}", responses=document_problems(NOT_FOUND))
async def read_domain(host: Host, tenant: Tenant, services: ServicesOf) -> Domain:
    """One domain."""
    domain = await services.domains.read(tenant, written_domain(host))
    return Domain.of(domain, default=services.domains.default)


@router.patch("/{host}", responses=document_problems(*BODY_PROBLEMS, NOT_FOUND, FORBIDDEN))
async def change_domain(patch: DomainPatch, host: Host, tenant: Tenant, services: ServicesOf) -> Domain:
    """Change all but the host. The edge follows within a second."""
    domain = await services.domains.change(tenant, written_domain(host), patch)
    return Domain.of(domain, default=services.domains.default)


@router.delete(
    "/{host}",
    status_code=204,
    response_class=Response,
    responses=document_problems(NOT_FOUND, FORBIDDEN, DOMAIN_IN_USE),
)
async def delete_domain(host: Host, tenant: Tenant, services: ServicesOf) -> None:
    """Take a domain away on which no links stand any more. Its codes are never given again."""
    await services.domains.delete(tenant, written_domain(host))
