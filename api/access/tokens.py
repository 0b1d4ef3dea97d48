"""JWTs of people who signed in at their tenant's identity provider: whose they are, and what they may do.

The algorithms are fixed, and all are asymmetric. Which key counts is said by the tenant's settings and by the
key id, never by anything else in the token: `jku`, `jwk`, `x5u` and `x5c` are not looked at.
"""

from collections.abc import Mapping
from typing import Any, Final

import jwt

from api.access.authentication import unauthorized
from api.access.callers import Caller
from api.access.key_ring import KeyRing
from api.access.key_sets import KeyFields, KeySetError, KeySets
from api.access.scopes import ROLE_SCOPES, Scope
from api.problems import FORBIDDEN, ProblemError, unavailable
from ingest.contract import IdentityProvider

# By the key's type, so that no key is ever used with an algorithm of another family.
ALGORITHMS: Final[Mapping[str, frozenset[str]]] = {
    "RSA": frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}),
    "EC": frozenset({"ES256", "ES384", "ES512"}),
    "OKP": frozenset({"EdDSA"}),
}
MAX_TOKEN_BYTES: Final = 8192
MAX_SUBJECT_CHARS: Final = 256
LEEWAY_S: Final = 30

_ALL_ALGORITHMS: Final = frozenset().union(*ALGORITHMS.values())
_NO_JWT: Final = "The token is not a JWT that can be read here."
_REASONS: Final[Mapping[type[Exception], str]] = {
    jwt.ExpiredSignatureError: "The token has expired; sign in again.",
    jwt.ImmatureSignatureError: "The token is not valid yet (nbf or iat lies ahead).",
    jwt.InvalidAudienceError: "The token's aud is not the one that this account expects.",
    jwt.InvalidIssuerError: "The token's iss is not the one that this account expects.",
    jwt.InvalidSignatureError: "The token's signature does not fit.",
    jwt.MissingRequiredClaimError: "The token lacks a claim: exp, iss, aud and sub are needed.",
}


class Tokens:
    """Verifies tokens against the identity providers of all tenants."""

    def __init__(self, key_ring: KeyRing, key_sets: KeySets) -> None:
        self._key_ring = key_ring
        self._key_sets = key_sets

    def is_token(self, credentials: bytes) -> bool:
        """Three parts between dots; no service key of our making has a dot."""
        return credentials.count(b".") == 2

    async def verify(self, token: bytes) -> Caller:
        """The person. Raises a 401, a 403 where no role is theirs, a 503 where the keys can't be had."""
        if len(token) > MAX_TOKEN_BYTES:
            raise unauthorized(f"The token is longer than {MAX_TOKEN_BYTES:,} bytes.")
        header, claims = _peek(token)
        tenant, provider = self._provider_of(claims)
        key_id = header.get("kid")
        if key_id is not None and not isinstance(key_id, str):
            raise unauthorized(_NO_JWT)
        try:
            fields = await self._key_sets.find(provider.jwks_url, key_id)
        except KeySetError as error:
            raise unavailable(str(error)) from None
        if fields is None:
            raise unauthorized("The token was signed with a key that the identity provider does not have.")
        verified = _verify(token, fields, str(header["alg"]), provider)
        subject = verified["sub"]
        if not 1 <= len(subject) <= MAX_SUBJECT_CHARS:
            raise unauthorized(f"The token's sub has 1 to {MAX_SUBJECT_CHARS} characters.")
        return Caller(tenant, "person", subject, _scopes_of(verified, provider))

    def _provider_of(self, claims: Mapping[str, Any]) -> tuple[str, IdentityProvider]:
        issuer, audience = claims.get("iss"), claims.get("aud")
        audiences = audience if isinstance(audience, list) else [audience]
        for tenant in self._key_ring.tenants.values():
            provider = tenant.identity_provider
            if provider is not None and provider.issuer == issuer and provider.audience in audiences:
                return tenant.id, provider
        raise unauthorized("The token's iss and aud belong to no account here.")


def _peek(token: bytes) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Header and claims, unverified: good for finding the provider and for nothing else. Raises a 401."""
    try:
        parts = jwt.decode_complete(token, options={"verify_signature": False})
    except (jwt.InvalidTokenError, ValueError, RecursionError):
        raise unauthorized(_NO_JWT) from None
    algorithm = parts["header"].get("alg")
    if not isinstance(algorithm, str) or algorithm not in _ALL_ALGORITHMS or "crit" in parts["header"]:
        raise unauthorized(f"Tokens are signed with one of {', '.join(sorted(_ALL_ALGORITHMS))}.")
    return parts["header"], parts["payload"]


def _verify(token: bytes, fields: KeyFields, algorithm: str, provider: IdentityProvider) -> dict[str, Any]:
    """The claims. Raises a 401."""
    fits = (
        algorithm in ALGORITHMS.get(str(fields.get("kty")), ()) and fields.get("alg", algorithm) == algorithm
    )
    if not fits or fields.get("use", "sig") != "sig":
        raise unauthorized("The token's algorithm is not the one of its key.")
    try:
        claims: dict[str, Any] = jwt.decode(
            token,
            jwt.PyJWK(fields, algorithm=algorithm),
            algorithms=[algorithm],
            audience=provider.audience,
            issuer=provider.issuer,
            leeway=LEEWAY_S,
            options={"require": ["exp", "iss", "aud", "sub"], "enforce_minimum_key_length": True},
        )
    except (jwt.PyJWTError, ArithmeticError, TypeError, ValueError) as error:  # odd claims, well signed
        raise unauthorized(_REASONS.get(type(error), _NO_JWT)) from None
    return claims


def _scopes_of(claims: Mapping[str, Any], provider: IdentityProvider) -> frozenset[Scope]:
    """What the roles in the claim open. A dot in the claim's name leads into an object. Raises a 403."""
    value: Any = claims.get(provider.role_claim)
    if value is None:
        value = claims
        for part in provider.role_claim.split("."):
            value = value.get(part) if isinstance(value, dict) else None
    held = value if isinstance(value, list) else [value]
    roles = {provider.roles[each] for each in held if isinstance(each, str) and each in provider.roles}
    if not roles:
        raise ProblemError(FORBIDDEN, "You are signed in, but no role here is yours; ask an administrator.")
    return frozenset().union(*(ROLE_SCOPES[role] for role in roles))
