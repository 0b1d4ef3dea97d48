"""Who is asking: service keys, kept as hashes, compared in constant time.

`Authorization: Bearer <key>` or `Key: <key>`; where both came, the first counts and the second is ignored.
The check stands before routing and before any byte of a body is read.
"""

import hashlib
import hmac
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final

from fastapi import Depends, Request, Security
from fastapi.security import APIKeyHeader, HTTPBearer
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from api.problems import UNAUTHORIZED, Problem
from edge.contract import Settings

DEFAULT_TENANT: Final = "default"
GUARDED_PATHS: Final = "/v1/"
KEY_FILE: Final = "admin.key"
_KEY_PREFIX = "slk_"


def admin_key(settings: Settings) -> tuple[str, bool]:
    """The first service key, and whether it was made just now.

    It is `settings.admin_key`, else what `<data_dir>/admin.key` holds, which is made on the first start with
    mode 0600. Raises `OSError` where the file can be neither read nor written.
    """
    if settings.admin_key is not None:
        return settings.admin_key, False
    path = settings.data_dir / KEY_FILE
    try:
        return path.read_text(encoding="ascii").strip(), False
    except FileNotFoundError:
        pass
    key = _KEY_PREFIX + secrets.token_urlsafe(32)
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    _write_whole(path, key + "\n")
    return key, True


def _write_whole(path: Path, text: str) -> None:
    """Write by rename, so that a death in between leaves no half a key."""
    newborn = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(newborn, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    newborn.rename(path)


class ServiceKeys:
    """The keys that open the API, and whose each is. Holds hashes only."""

    def __init__(self, tenants: Mapping[str, str]) -> None:
        """`tenants`: the tenant of each key."""
        self._tenants = [(_hash(key.encode()), tenant) for key, tenant in tenants.items()]

    def tenant_of(self, key: bytes) -> str | None:
        """Takes as long for a wrong key as for a right one."""
        offered = _hash(key)
        found = None
        for known, tenant in self._tenants:
            if hmac.compare_digest(known, offered):
                found = tenant
        return found


def _hash(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()


def offered_key(headers: Headers) -> bytes | None:
    """The key a request came with, as bytes of its header."""
    authorization = headers.get("authorization")
    if authorization is None:
        key = headers.get("key")
        return key.encode("latin-1") if key is not None else None
    scheme, _, credentials = authorization.partition(" ")
    return credentials.strip().encode("latin-1") if scheme.lower() == "bearer" else b""


class Authentication:
    """ASGI middleware: 401 under `GUARDED_PATHS` without a valid key, else `request.state.tenant` is set."""

    def __init__(self, app: ASGIApp, keys: ServiceKeys) -> None:
        self._app = app
        self._keys = keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith(GUARDED_PATHS):
            key = offered_key(Headers(scope=scope))
            tenant = self._keys.tenant_of(key) if key is not None else None
            if tenant is None:
                await _refusal(given=key is not None).to_response(scope["path"])(scope, receive, send)
                return
            scope.setdefault("state", {})["tenant"] = tenant
        await self._app(scope, receive, send)


def _refusal(*, given: bool) -> Problem:
    reason = "The service key is not valid." if given else "No service key came with the request."
    return Problem(
        UNAUTHORIZED,
        f"{reason} Send it as Authorization: Bearer <key>, or as Key: <key>.",
        headers={"WWW-Authenticate": 'Bearer realm="smartlinks"'},
    )


def _tenant(request: Request) -> str:
    tenant: str = request.state.tenant
    return tenant


Tenant = Annotated[str, Depends(_tenant)]

# Declared for the OpenAPI document; the middleware has done the work by then.
SECURITY: Final = [
    Security(HTTPBearer(auto_error=False, scheme_name="bearer", description="A service key")),
    Security(APIKeyHeader(name="Key", auto_error=False, scheme_name="key", description="A service key")),
]
