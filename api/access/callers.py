"""The caller of a request, as the routes see it: set by `Authentication` before any route is chosen."""

from dataclasses import dataclass
from typing import Annotated, Final, Literal

from fastapi import Depends, Request, Security
from fastapi.security import APIKeyHeader, HTTPBearer

from api.access.scopes import Scope


@dataclass(frozen=True, slots=True)
class Quota:
    """At most `units` in any `window_s` seconds."""

    units: int
    window_s: int


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: a service key (`actor` is its id) or a person (`actor` is the token's subject)."""

    tenant: str
    kind: Literal["key", "person"]
    actor: str
    scopes: frozenset[Scope]
    quota: Quota | None = None
    messages_per_s: int | None = None

    @property
    def is_system(self) -> bool:
        return "system" in self.scopes


def _tenant(request: Request) -> str:
    tenant: str = request.state.tenant
    return tenant


def _caller(request: Request) -> Caller:
    caller: Caller = request.state.caller
    return caller


Tenant = Annotated[str, Depends(_tenant)]
CallerOf = Annotated[Caller, Depends(_caller)]

# Declared for the OpenAPI document; the middleware has done the work by then.
SECURITY: Final = [
    Security(
        HTTPBearer(
            auto_error=False,
            scheme_name="bearer",
            description="A service key, or a JWT of the tenant's identity provider",
        )
    ),
    Security(APIKeyHeader(name="Key", auto_error=False, scheme_name="key", description="A service key")),
]
