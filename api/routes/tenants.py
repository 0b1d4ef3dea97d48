"""`/v1/tenants`: the accounts of this system. Only the first service key opens these."""

from typing import Annotated

from fastapi import APIRouter, Path, Response

from api.access.models import KeyWithSecret, NewKey, NewTenant, TenantAnswer, TenantPage, TenantPatch
from api.audit.changes import note_change
from api.bodies import JsonRoute
from api.errors import document_problems
from api.problems import (
    FORBIDDEN,
    NOT_FOUND,
    TENANT_TAKEN,
    TOO_MANY_KEYS,
    UNAUTHORIZED,
    UNAVAILABLE,
)
from api.routes.keys import BODY_PROBLEMS
from api.services import ServicesOf

router = APIRouter(
    prefix="/v1/tenants",
    tags=["Access"],
    route_class=JsonRoute,
    responses=document_problems(UNAUTHORIZED, FORBIDDEN, UNAVAILABLE),
)

TenantId = Annotated[str, Path(description="The tenant's id", examples=["acme"])]


@router.get("")
async def list_tenants(services: ServicesOf) -> TenantPage:
    """List all tenants by id."""
    tenants = await services.access.tenants.list_all()
    return TenantPage(data=[TenantAnswer.of(tenant) for tenant in tenants])


@router.post("", status_code=201, responses=document_problems(*BODY_PROBLEMS, TENANT_TAKEN))
async def make_tenant(new: NewTenant, services: ServicesOf, response: Response) -> TenantAnswer:
    """Make a tenant. Its first key comes from `POST /v1/tenants/{tenant_id}/keys`."""
    tenant = await services.access.tenants.make(new)
    note_change("tenant", tenant.id, after=tenant)
    response.headers["Location"] = f"/v1/tenants/{tenant.id}"
    return TenantAnswer.of(tenant)


@router.get("/{tenant_id}", responses=document_problems(NOT_FOUND))
async def read_tenant(tenant_id: TenantId, services: ServicesOf) -> TenantAnswer:
    """One tenant."""
    return TenantAnswer.of(await services.access.tenants.read(tenant_id))


@router.patch("/{tenant_id}", responses=document_problems(*BODY_PROBLEMS, NOT_FOUND, TENANT_TAKEN))
async def change_tenant(patch: TenantPatch, tenant_id: TenantId, services: ServicesOf) -> TenantAnswer:
    """Change, suspend or take up again, by JSON Merge Patch. It counts within two seconds."""
    before, after = await services.access.tenants.change(tenant_id, patch)
    note_change("tenant", tenant_id, before=before, after=after)
    return TenantAnswer.of(after)


@router.post(
    "/{tenant_id}/keys",
    status_code=201,
    responses=document_problems(*BODY_PROBLEMS, NOT_FOUND, TOO_MANY_KEYS),
)
async def make_tenant_key(new: NewKey, tenant_id: TenantId, services: ServicesOf) -> KeyWithSecret:
    """Make a key for a tenant, such as its first. From then on it makes its own at `/v1/keys`."""
    tenant = await services.access.tenants.read(tenant_id)
    key, secret = await services.access.keys.make(tenant.id, new)
    note_change("key", key.id, after=key)
    return KeyWithSecret.made(key, secret, now_ms=services.clock())
