"""What goes in and out of the routes of tenants and service keys."""

import ipaddress
import re
from datetime import datetime
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, BaseModel, Field, StrictBool, WithJsonSchema
from pydantic.json_schema import SkipJsonSchema

from api.access.callers import Quota
from api.access.scopes import GrantableScope
from api.access.service_key import ServiceKey
from api.fields import WHOLE_NUMBER, Fixed, Instant, Label, Name, Url, instant_of
from api.models import Body
from ingest.contract import AddressPrivacy, IdentityProvider, RecipientPrivacy, Role, TenantDocument

MAX_ADDRESSES: Final = 100
MAX_ROLES: Final = 100
MAX_OVERLAP_S: Final = 30 * 24 * 3600
_TENANT_ID: Final = "^[a-z0-9][a-z0-9-]{0,62}$"


def _check_tenant_id(value: str) -> str:
    if not re.fullmatch(_TENANT_ID, value):
        raise ValueError("An id has 1 to 63 characters a-z, 0-9 and -, and begins with a letter or digit")
    return value


def _check_network(value: str) -> str:
    try:
        return str(ipaddress.ip_network(value.strip(), strict=False))
    except ValueError:
        raise ValueError(
            "An address or a network is wanted, such as 198.51.100.7 or 198.51.100.0/24"
        ) from None


def _check_https(value: str) -> str:
    if not value.startswith("https://"):
        raise ValueError("The URL begins with https://")
    return value


NetworkText = Annotated[
    str,
    Field(max_length=64),
    AfterValidator(_check_network),
    WithJsonSchema({"type": "string", "format": "ip-network", "examples": ["198.51.100.0/24"]}),
]
TenantId = Annotated[
    str,
    AfterValidator(_check_tenant_id),
    WithJsonSchema({"type": "string", "pattern": _TENANT_ID, "examples": ["acme"]}),
]


class RateLimit(Body):
    """At most `requests` in any `window_s` seconds."""

    requests: Annotated[int, Field(ge=1, le=1_000_000), WHOLE_NUMBER] = Field(examples=[600])
    window_s: Annotated[int, Field(ge=1, le=86_400), WHOLE_NUMBER] = Field(examples=[60])

    def quota(self) -> Quota:
        return Quota(self.requests, self.window_s)


class KeyFields(Body):
    """What can be given when a key is made, and changed later."""

    name: Name | None = Field(None, description="For people; need not be unique", examples=["Campaigns"])
    scopes: list[GrantableScope] = Field(
        ["admin"],
        min_length=1,
        max_length=5,
        description="admin: all of the account; edit: links; send: codes and messages; report: reports;"
        " click: click transactions",
        examples=[["send", "report"]],
    )
    addresses: list[NetworkText] | None = Field(
        None,
        min_length=1,  # an empty list would read as none, and open it to all
        max_length=MAX_ADDRESSES,
        description="Addresses and networks (CIDR) it works from; null: all",
    )
    rate_limit: RateLimit | None = Field(None, description="null: no limit")
    messages_per_s: Annotated[int, Field(ge=1, le=100_000), WHOLE_NUMBER] | None = Field(
        None, description="SMS messages a second; null: no limit", examples=[100]
    )
    expires_at: Instant | None = Field(None, description="From then on it opens nothing; null: never")


class NewKey(KeyFields):
    """The default scope is admin."""


class KeyPatch(KeyFields):
    """JSON Merge Patch (RFC 7396): what is left out stays, `null` takes away."""


class Rotation(Body):
    overlap_s: Annotated[int, Field(ge=0, le=MAX_OVERLAP_S), WHOLE_NUMBER] = Field(
        86_400,
        description="For so many seconds the former key works beside the new one",
        examples=[3600],
    )


class Key(BaseModel):
    """A service key as it is answered: all but the key itself. Times are UTC."""

    id: str = Field(examples=["key_8sTq0mVh2KxZ"])
    name: str
    ending: str = Field(description="The key's last four characters")
    status: Literal["active", "expired", "revoked"]
    scopes: list[GrantableScope]
    addresses: list[str] | None
    rate_limit: RateLimit | None
    messages_per_s: int | None
    expires_at: datetime | None
    previous_until: datetime | None = Field(description="Until when the key before the last rotation works")
    last_used_at: datetime | None = Field(description="About ten seconds behind; null: never used")
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, key: ServiceKey, *, used_at_ms: int | None, now_ms: int) -> Self:
        return cls(**_fields_of(key, used_at_ms, now_ms))


class KeyWithSecret(Key):
    key: str = Field(
        description="The key itself. It is shown this once; keep it where secrets are kept",
        examples=["slk_"],
    )

    @classmethod
    def made(cls, key: ServiceKey, secret: str, *, now_ms: int) -> Self:
        return cls(key=secret, **_fields_of(key, None, now_ms))


class KeyPage(BaseModel):
    data: list[Key]
    next_cursor: None = Field(None, description="Always null: all keys are on one page")


class IdentityProviderFields(Body):
    """Who signs the tokens of the account's people."""

    issuer: Label = Field(
        max_length=500, description="iss of the tokens", examples=["https://id.example.com/"]
    )
    audience: Label = Field(max_length=500, description="aud of the tokens", examples=["smartlinks"])
    jwks_url: Annotated[Url, AfterValidator(_check_https)] = Field(
        description="Where the public keys are (RFC 7517)",
        examples=["https://id.example.com/.well-known/jwks.json"],
    )
    role_claim: Label = Field("roles", description="The claim that tells roles; dots lead into objects")
    roles: dict[Label, Role] = Field(
        max_length=MAX_ROLES,
        description="Which role each value of the claim stands for",
        examples=[{"marketing": "editor", "analysts": "viewer"}],
    )

    def document(self) -> IdentityProvider:
        return IdentityProvider(self.issuer, self.audience, self.jwks_url, self.role_claim, dict(self.roles))


class TenantFields(Body):
    """What can be given when a tenant is made, and changed later."""

    name: Name | None = Field(None, examples=["Acme"])
    active: StrictBool = Field(default=True, description="false: suspended, its keys and tokens are refused")
    retention_days: Annotated[int, Field(ge=1, le=36_500), WHOLE_NUMBER] | None = Field(
        None, description="How long its clicks are kept; null: as the settings say"
    )
    address_privacy: AddressPrivacy = "whole"
    recipient_privacy: RecipientPrivacy = "clear"
    identity_provider: IdentityProviderFields | None = None


class NewTenant(TenantFields):
    id: TenantId = Field(description="Fixed once it is made")


class TenantPatch(TenantFields):
    """JSON Merge Patch (RFC 7396) on the fields; the identity provider is replaced as a whole."""

    id: SkipJsonSchema[Fixed] = None


class TenantAnswer(BaseModel, title="Tenant"):
    """A tenant as it is answered. Times are UTC; the default one has none until it is first changed."""

    id: str = Field(examples=["acme"])
    name: str
    active: bool
    retention_days: int | None
    address_privacy: AddressPrivacy
    recipient_privacy: RecipientPrivacy
    identity_provider: IdentityProviderFields | None
    created_at: datetime | None
    updated_at: datetime | None

    @classmethod
    def of(cls, tenant: TenantDocument) -> Self:
        provider = tenant.identity_provider
        is_stored = tenant.version > 0
        return cls(
            id=tenant.id,
            name=tenant.name,
            active=tenant.active,
            retention_days=tenant.retention_days,
            address_privacy=tenant.address_privacy,
            recipient_privacy=tenant.recipient_privacy,
            identity_provider=provider
            and IdentityProviderFields.model_validate(provider, from_attributes=True),
            created_at=instant_of(tenant.created_at_ms) if is_stored else None,
            updated_at=instant_of(tenant.updated_at_ms) if is_stored else None,
        )


class TenantPage(BaseModel):
    data: list[TenantAnswer]
    next_cursor: None = Field(None, description="Always null: all tenants are on one page")


def _fields_of(key: ServiceKey, used_at_ms: int | None, now_ms: int) -> dict[str, Any]:
    return {
        "id": key.id,
        "name": key.name,
        "ending": key.ending,
        "status": _status_of(key, now_ms),
        "scopes": list(key.scopes),
        "addresses": list(key.addresses) or None,
        "rate_limit": key.quota and RateLimit(requests=key.quota.units, window_s=key.quota.window_s),
        "messages_per_s": key.messages_per_s,
        "expires_at": _instant(key.expires_at_ms),
        "previous_until": _instant(key.previous_until_ms),
        "last_used_at": _instant(used_at_ms),
        "created_at": instant_of(key.created_at_ms),
        "updated_at": instant_of(key.updated_at_ms),
    }


def _status_of(key: ServiceKey, now_ms: int) -> str:
    if key.revoked_at_ms is not None:
        return "revoked"
    return "expired" if key.expires_at_ms is not None and key.expires_at_ms <= now_ms else "active"


def _instant(unix_ms: int | None) -> datetime | None:
    return None if unix_ms is None else instant_of(unix_ms)
