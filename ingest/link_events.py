"""Link events: the durable truth about links and domains. Redis and the catalogue are views of them.

Values on the bus are JSON objects; `docs/links.v1.schema.json` describes them. All times are Unix ms.

| `type` | further fields |
| --- | --- |
| `link.saved` | `link`: the whole link as in `LinkDocument` |
| `link.deleted` | `number`, `link_id` |
| `link.withdrawn` | `link`: a link whose making failed; nobody was told of it, so its code is free again |
| `codes.minted` | `number`, `domain`, `codes`: a list of `[code, recipient, reference]`, `follows` |
| `codes.minted_across` | `domain`, `codes`: a list of `[number, code, recipient, reference]` |
| `recipient.erased` | `recipients`: all forms in which a person is stored who is to be forgotten |
| `domain.saved` | `domain`: the whole domain as in `DomainDocument` |
| `domain.deleted` | `domain`: what is left of it; its codes and its tag are never given again |

Every event has `id` (unique for ever; also the token of its inserts), `at` and `tenant`.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

import orjson


@dataclass(frozen=True, slots=True)
class LinkDocument:
    """A link, whole. `version` counts up with every change; `enabled=False` answers 404 like no link.

    `imported_clicks` is what another shortener had counted; `commands` are the ids of the last commands on
    the bus that changed it, which Redis alone keeps. Events of before there were such fields lack them.
    """

    number: int
    id: str
    tenant: str
    name: str
    domain: str
    suffix: str
    code: str
    destination_url: str
    ios_url: str | None
    android_url: str | None
    expires_at_ms: int | None
    expired_url: str | None
    campaign: str | None
    tags: tuple[str, ...]
    external_id: str | None
    forward_query: bool
    enabled: bool
    created_at_ms: int
    updated_at_ms: int
    version: int
    imported_clicks: int = 0
    commands: tuple[str, ...] = ()

    @classmethod
    def from_json(cls, value: bytes | dict[str, Any]) -> "LinkDocument":
        fields = orjson.loads(value) if isinstance(value, bytes) else value
        commands = tuple(fields.get("commands", ()))
        return cls(**{**fields, "tags": tuple(fields["tags"]), "commands": commands})

    def to_json(self) -> bytes:
        return orjson.dumps(asdict(self))


@dataclass(frozen=True, slots=True)
class PageText:
    """What a page of the domain's own says, as plain text."""

    title: str
    message: str


@dataclass(frozen=True, slots=True)
class DomainDocument:
    """A domain, whole. `edge/domains.py` tells what the edge makes of it.

    `version` counts up with every change. `host` may have a port. The association files are JSON values.
    """

    host: str
    tag: str
    tenant: str
    not_found_url: str | None
    not_found_page: PageText | None
    expired_url: str | None
    expired_page: PageText | None
    apple_app_site_association: dict[str, Any] | None
    assetlinks: list[Any] | None
    created_at_ms: int
    updated_at_ms: int
    version: int
    deleted: bool = False

    @classmethod
    def from_json(cls, value: bytes | dict[str, Any]) -> "DomainDocument":
        fields = orjson.loads(value) if isinstance(value, bytes) else value
        pages = {
            name: fields[name] and PageText(**fields[name]) for name in ("not_found_page", "expired_page")
        }
        return cls(**{**fields, **pages})

    def to_json(self) -> bytes:
        return orjson.dumps(asdict(self))


@dataclass(frozen=True, slots=True)
class LinkSaved:
    id: str
    at: int
    tenant: str
    link: LinkDocument
    type: Literal["link.saved"] = "link.saved"


@dataclass(frozen=True, slots=True)
class LinkDeleted:
    id: str
    at: int
    tenant: str
    number: int
    link_id: str
    type: Literal["link.deleted"] = "link.deleted"


@dataclass(frozen=True, slots=True)
class CodesMinted:
    id: str
    at: int
    tenant: str
    number: int
    domain: str
    codes: tuple[tuple[str, str, str], ...]
    type: Literal["codes.minted"] = "codes.minted"
    follows: int | None = None  # of the link's mints; events of before there were such have none


@dataclass(frozen=True, slots=True)
class CodesMintedAcross:
    id: str
    at: int
    tenant: str
    domain: str
    codes: tuple[tuple[int, str, str, str], ...]
    type: Literal["codes.minted_across"] = "codes.minted_across"


@dataclass(frozen=True, slots=True)
class LinkWithdrawn:
    id: str
    at: int
    tenant: str
    link: LinkDocument
    type: Literal["link.withdrawn"] = "link.withdrawn"


@dataclass(frozen=True, slots=True)
class RecipientErased:
    id: str
    at: int
    tenant: str
    recipients: tuple[str, ...]
    type: Literal["recipient.erased"] = "recipient.erased"


@dataclass(frozen=True, slots=True)
class DomainSaved:
    id: str
    at: int
    tenant: str
    domain: DomainDocument
    type: Literal["domain.saved"] = "domain.saved"


@dataclass(frozen=True, slots=True)
class DomainDeleted:
    id: str
    at: int
    tenant: str
    domain: DomainDocument
    type: Literal["domain.deleted"] = "domain.deleted"


LinkEvent = (
    LinkSaved
    | LinkDeleted
    | LinkWithdrawn
    | CodesMinted
    | CodesMintedAcross
    | RecipientErased
    | DomainSaved
    | DomainDeleted
)


def encode_event(event: LinkEvent) -> bytes:
    """The event as it goes on the bus."""
    return orjson.dumps(event)


def decode_event(value: bytes) -> LinkEvent:
    """The event of a value on the bus. Raises `ValueError` where it is none."""
    try:
        fields = orjson.loads(value)
        kind = fields["type"]
        if kind not in _EVENTS:
            raise ValueError(f"unknown type of link event: {kind!r}")
        event_type, name, read = _EVENTS[kind]
        if name is not None:
            fields[name] = read(fields[name])
        event: LinkEvent = event_type(**fields)
    except (TypeError, KeyError) as error:
        raise ValueError(f"not a link event: {error}") from None
    return event


# Of each type its class, the field that is no plain value, and how that is read.
_EVENTS: Final[Mapping[str, tuple[Callable[..., LinkEvent], str | None, Callable[[Any], Any]]]] = {
    "link.saved": (LinkSaved, "link", LinkDocument.from_json),
    "link.withdrawn": (LinkWithdrawn, "link", LinkDocument.from_json),
    "link.deleted": (LinkDeleted, None, str),
    "codes.minted": (CodesMinted, "codes", lambda codes: tuple(map(tuple, codes))),
    "codes.minted_across": (CodesMintedAcross, "codes", lambda codes: tuple(map(tuple, codes))),
    "recipient.erased": (RecipientErased, "recipients", tuple),
    "domain.saved": (DomainSaved, "domain", DomainDocument.from_json),
    "domain.deleted": (DomainDeleted, "domain", DomainDocument.from_json),
}
