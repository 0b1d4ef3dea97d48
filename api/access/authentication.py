"""Who is asking: checked before any route is chosen and before any byte of a body is read.

`Authorization: Bearer <JWT or key>` or `Key: <key>`; where both came, the first counts alone.
"""

from typing import Final, Protocol

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from api.access.callers import Caller
from api.access.key_ring import KeyRing
from api.access.scopes import scopes_for
from api.problems import ADDRESS_NOT_ALLOWED, FORBIDDEN, TENANT_SUSPENDED, UNAUTHORIZED, ProblemError
from edge.contract import AddressRange, client_address

GUARDED_PATHS: Final = "/v1/"
CHALLENGE: Final = {"WWW-Authenticate": 'Bearer realm="smartlinks"'}
_HOW: Final = "Send it as Authorization: Bearer <key>, or as Key: <key>."


class TokenVerifier(Protocol):
    """Reads what a signed-in person brings. A session's cookie would be one more of these."""

    def is_token(self, credentials: bytes) -> bool:
        """Whether this looks like a token and not like a service key."""
        ...

    async def verify(self, token: bytes) -> Caller:
        """Raises a 401 whose detail says what is wrong with the token."""
        ...


class Authentication:
    """ASGI middleware: 401 and 403 under `GUARDED_PATHS`, else `tenant`, `caller`, `address` in the state."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        key_ring: KeyRing,
        tokens: TokenVerifier,
        trusted_proxies: tuple[AddressRange, ...],
    ) -> None:
        self._app = app
        self._key_ring = key_ring
        self._tokens = tokens
        self._trusted_proxies = trusted_proxies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith(GUARDED_PATHS):
            headers = Headers(scope=scope)
            peer = (scope.get("client") or ("",))[0]
            address = client_address(
                peer, ",".join(headers.getlist("x-forwarded-for")), self._trusted_proxies
            )
            try:
                caller = await self._authenticate(headers, address)
                self._authorise(caller, scope["method"], scope["path"])
            except ProblemError as error:
                await error.problem.to_response(scope["path"])(scope, receive, send)
                return
            state = scope.setdefault("state", {})
            state.update(tenant=caller.tenant, caller=caller, address=address)
        await self._app(scope, receive, send)

    async def _authenticate(self, headers: Headers, address: str) -> Caller:
        credentials = offered_credentials(headers)
        if credentials is None:
            raise unauthorized(f"No service key came with the request. {_HOW}")
        known = self._key_ring.find(credentials)
        if known is None:
            if self._tokens.is_token(credentials):
                return await self._tokens.verify(credentials)
            raise unauthorized(f"The service key is not valid. {_HOW}")
        if not known.is_open_to(address):
            raise ProblemError(
                ADDRESS_NOT_ALLOWED,
                "This service key works from some addresses only, and the request came from another.",
            )
        self._key_ring.note_use(known.caller)
        return known.caller

    def _authorise(self, caller: Caller, method: str, path: str) -> None:
        if not caller.is_system and not self._key_ring.tenant(caller.tenant).active:
            raise ProblemError(TENANT_SUSPENDED, "This account is suspended; ask whoever runs this system.")
        needed = scopes_for(method, path)
        if not needed & caller.scopes:
            names = ", ".join(sorted(needed))
            raise ProblemError(FORBIDDEN, f"This call needs one of these scopes: {names}.")


def offered_credentials(headers: Headers) -> bytes | None:
    """What a request came with, as bytes of its header; None where it came with nothing."""
    authorization = headers.get("authorization")
    if authorization is None:
        key = headers.get("key")
        return key.encode("latin-1") if key is not None else None
    scheme, _, credentials = authorization.partition(" ")
    return credentials.strip().encode("latin-1") if scheme.lower() == "bearer" else b""


def unauthorized(detail: str) -> ProblemError:
    return ProblemError(UNAUTHORIZED, detail, headers=CHALLENGE)
