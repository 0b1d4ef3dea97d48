"""What the bodies of requests make of a link: its document, what changes of it, what does not fit. Pure."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from api.fields import ms_of
from api.models import LinkPatch, NewLink
from api.problems import CODE_TAKEN, Flaw, ProblemError, pointer_to
from api.urls import written_domain
from edge.contract import generate
from ingest.contract import LinkDocument

ID_CHARS: Final = 12
_DIGITS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_EMPTY: Final[dict[str, Any]] = {
    "name": "",
    "ios_url": None,
    "android_url": None,
    "expires_at_ms": None,
    "expired_url": None,
    "campaign": None,
    "tags": (),
    "external_id": None,
    "forward_query": False,
    "enabled": True,
}


@dataclass(frozen=True, slots=True)
class Past:
    """What a link brings along from another shortener."""

    clicks: int = 0
    created_at_ms: int | None = None
    is_enabled: bool = True


def new_document(
    tenant: str, new: NewLink, domain: str, code: str, number: int, past: Past, *, now_ms: int
) -> LinkDocument:
    """The first version of a link, under a fresh id."""
    return LinkDocument(
        number=number,
        id=f"lnk_{generate(ID_CHARS)}",
        tenant=tenant,
        domain=domain,
        suffix=new.suffix or "",
        code=code,
        created_at_ms=now_ms if past.created_at_ms is None else past.created_at_ms,
        updated_at_ms=now_ms,
        version=1,
        imported_clicks=past.clicks,
        **{**_EMPTY, "enabled": past.is_enabled, **changes_of(new)},
    )


def derived_link_id(*parts: str) -> str:
    """A link's id that is worked out from texts, the same each time."""
    number = int.from_bytes(hashlib.sha256("\0".join(parts).encode()).digest())
    chars = []
    for _ in range(ID_CHARS):
        number, digit = divmod(number, len(_DIGITS))
        chars.append(_DIGITS[digit])
    return "lnk_" + "".join(chars)


def unlike(new: NewLink, link: LinkDocument) -> list[Flaw]:
    """The fixed fields in which the body differs from the link."""
    wanted = {"code": new.code, "suffix": new.suffix, "domain": new.domain and written_domain(new.domain)}
    return [
        Flaw(f"Fixed once the link is made: it is {getattr(link, name) or 'empty'}", pointer_to(name))
        for name, value in wanted.items()
        if value is not None and value != getattr(link, name)
    ]


def changes_of(fields: NewLink | LinkPatch) -> dict[str, Any]:
    """The document's fields that the body speaks of, by JSON Merge Patch: absent ones are not in it."""
    changes: dict[str, Any] = {}
    for name in fields.model_fields_set:
        value = getattr(fields, name)
        match name:
            case "name" | "forward_query":
                changes[name] = _EMPTY[name] if value is None else value
            case "tags":
                changes[name] = tuple(dict.fromkeys(value or ()))
            case "destination_url" | "expired_url" | "campaign" | "external_id":
                changes[name] = value
            case "expires_at":
                changes["expires_at_ms"] = None if value is None else ms_of(value)
            case "status":
                changes["enabled"] = value == "active"
            case "device_routes" if value is None:
                changes |= {"ios_url": None, "android_url": None}
            case "device_routes":
                changes |= {f"{device}_url": getattr(value, device) for device in value.model_fields_set}
            case _:  # code, domain, suffix: fixed
                pass
    return changes


def urls_of(fields: NewLink | LinkPatch) -> Iterator[tuple[tuple[str, ...], str]]:
    """The URLs of a body, each with its path."""
    routes = fields.device_routes
    found = {
        ("destination_url",): fields.destination_url,
        ("expired_url",): fields.expired_url,
        ("device_routes", "ios"): routes and routes.ios,
        ("device_routes", "android"): routes and routes.android,
    }
    return ((path, url) for path, url in found.items() if url)


def code_taken(code: str) -> ProblemError:
    detail = (
        f"Code {code} is taken, now or by a deleted link; choose another, or leave it out to get a fresh one"
    )
    return ProblemError(CODE_TAKEN, f"{detail}.", [Flaw(detail, pointer=pointer_to("code"))])
