"""`/v1/keys`: the service keys of an account."""

from typing import Annotated, Final

from fastapi import APIRouter, Path, Response

from api.access.models import Key, KeyPage, KeyPatch, KeyWithSecret, NewKey, Rotation
from api.audit.changes import note_change
from api.auth import Tenant
from api.bodies import JsonRoute
from api.errors import document_problems
from api.problems import (
    BODY_TOO_LARGE,
    CHANGED_MEANWHILE,
    FORBIDDEN,
    INVALID_BODY,
    MALFORMED_BODY,
    NOT_FOUND,
    TOO_MANY_KEYS,
    UNAUTHORIZED,
    UNAVAILABLE,
    UNSUPPORTED_MEDIA_TYPE,
)
from api.services import ServicesOf

router = APIRouter(
    prefix="/v1/keys",
    tags=["Access"],
    route_class=JsonRoute,
    responses=document_problems(UNAUTHORIZED, FORBIDDEN, UNAVAILABLE),
)

BODY_PROBLEMS: Final = (MALFORMED_BODY, BODY_TOO_LARGE, UNSUPPORTED_MEDIA_TYPE, INVALID_BODY)
KeyId = Annotated[str, Path(description="The key's id", examples=["key_8sTq0mVh2KxZ"])]


@router.get("")
async def list_keys(tenant: Tenant, services: ServicesOf) -> KeyPage:
    """List the account's keys, newest first; revoked ones stay, at the end."""
    keys = await services.access.keys.list_of(tenant)
    now_ms = services.clock()
    return KeyPage(data=[Key.of(key, used_at_ms=used_at_ms, now_ms=now_ms) for key, used_at_ms in keys])


@router.post("", status_code=201, responses=document_problems(*BODY_PROBLEMS, TOO_MANY_KEYS))
async def make_key(new: NewKey, tenant: Tenant, services: ServicesOf, response: Response) -> KeyWithSecret:
    """Make a key. The answer is the only place where the key itself is ever shown."""
    key, secret = await services.access.keys.make(tenant, new)
    note_change("key", key.id, after=key)
    response.headers["Location"] = f"/v1/keys/{key.id}"
    return KeyWithSecret.made(key, secret, now_ms=services.clock())


@router.get("/{key_id}", responses=document_problems(NOT_FOUND))
async def read_key(key_id: KeyId, tenant: Tenant, services: ServicesOf) -> Key:
    """One key, without the key itself."""
    key, used_at_ms = await services.access.keys.read(tenant, key_id)
    return Key.of(key, used_at_ms=used_at_ms, now_ms=services.clock())


@router.patch("/{key_id}", responses=document_problems(*BODY_PROBLEMS, NOT_FOUND, CHANGED_MEANWHILE))
async def change_key(patch: KeyPatch, key_id: KeyId, tenant: Tenant, services: ServicesOf) -> Key:
    """Change name, scopes, addresses, limits or expiry by JSON Merge Patch. It counts within two seconds."""
    before, after = await services.access.keys.change(tenant, key_id, patch)
    note_change("key", key_id, before=before, after=after)
    _, used_at_ms = await services.access.keys.read(tenant, key_id)
    return Key.of(after, used_at_ms=used_at_ms, now_ms=services.clock())


@router.post("/{key_id}/rotate", responses=document_problems(*BODY_PROBLEMS, NOT_FOUND, CHANGED_MEANWHILE))
async def rotate_key(
    rotation: Rotation, key_id: KeyId, tenant: Tenant, services: ServicesOf
) -> KeyWithSecret:
    """Make a new key in place of this one; the former works for `overlap_s` more seconds."""
    before, after, secret = await services.access.keys.rotate(tenant, key_id, rotation)
    note_change("key", key_id, before=before, after=after)
    return KeyWithSecret.made(after, secret, now_ms=services.clock())


@router.delete("/{key_id}", status_code=204, response_class=Response, responses=document_problems(NOT_FOUND))
async def revoke_key(key_id: KeyId, tenant: Tenant, services: ServicesOf) -> None:
    """Revoke a key for good: at once here, within two seconds everywhere."""
    before = await services.access.keys.revoke(tenant, key_id)
    note_change("key", key_id, before=before)
