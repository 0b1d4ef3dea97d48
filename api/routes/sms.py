"""`/v1/sms/messages`: messages in the words of the vendor's API, accepted and read back."""

import asyncio
from typing import Annotated, Any, Final, Literal

import orjson
from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import TypeAdapter, ValidationError

from api.access.callers import Quota
from api.auth import CallerOf, Tenant
from api.bodies import JSON_TYPES, parse_json, read_body, require_media_type
from api.conventions.query_parameters import EXTRA_PARAMETERS
from api.errors import document_problems
from api.fields import instant_of
from api.messages.acceptance import Acceptance, Verdict
from api.messages.answers import AcceptedMessages, StoredMessage, StoredMessagePage
from api.messages.cursors import cursor_after, read_cursor
from api.messages.destinations import Destination, read_destinations
from api.messages.message import MAX_DESTINATIONS
from api.messages.models import NewMessages
from api.messages.vendor_errors import VendorRoute
from api.problems import (
    INVALID_PARAMETERS,
    NOT_FOUND,
    QUOTA_EXCEEDED,
    UNAUTHORIZED,
    UNAVAILABLE,
    Flaw,
    ProblemError,
    invalid_body,
    not_found,
    pointer_to,
    problem_of_body,
)
from api.routes.links import BODY_PROBLEMS, Cursor
from api.services import ServicesOf

MAX_PAGE: Final = 200
MAX_BODY_BYTES: Final = 8 * 1024 * 1024  # 1,000 destinations with substitutions of their own

router = APIRouter(
    prefix="/v1/sms/messages",
    tags=["SMS"],
    route_class=VendorRoute,
    responses=document_problems(UNAUTHORIZED, UNAVAILABLE),
)

MessageId = Annotated[str, Path(examples=["0199e1f0-7a3c-7d2b-9c1e-3f5a7b9d1e2f"])]
_BODY: Final = TypeAdapter(NewMessages)
_REQUEST_BODY: Final = {
    EXTRA_PARAMETERS: "ignored",
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/NewMessages"}}},
    },
}


@router.post(
    "",
    status_code=202,
    response_model=AcceptedMessages,
    responses=document_problems(*BODY_PROBLEMS, QUOTA_EXCEEDED),
    openapi_extra=_REQUEST_BODY,
)
async def send_messages(request: Request, tenant: Tenant, caller: CallerOf, services: ServicesOf) -> Response:
    """Send a message to one or up to 1,000 destinations, its https URLs shortened a recipient each.

    A destination that does not fit is answered with what is wrong with it while the others are sent; where
    none fits, nothing is sent. What is answered as queued is stored and will be handed to the gateway.
    """
    require_media_type(request, JSON_TYPES)
    body = _validate(parse_json(await read_body(request, MAX_BODY_BYTES)))
    destinations = _read_destinations(body)
    quota = None if caller.messages_per_s is None else Quota(caller.messages_per_s, 1)
    standing = await services.access.rate_limits.require(caller, "messages", quota, len(destinations))
    messages = services.messages
    acceptance = await messages.acceptor.accept(tenant, body, destinations)
    accepted = sum(verdict.message is not None for verdict in acceptance.verdicts)
    messages.metrics.accepted.inc(accepted)
    messages.metrics.refused.inc(len(destinations) - accepted)
    return Response(_encode(acceptance), status_code=202, headers=standing, media_type="application/json")


@router.get("", responses=document_problems(INVALID_PARAMETERS))
async def list_messages(
    tenant: Tenant,
    services: ServicesOf,
    status: Literal["queued", "sent", "failed", "expired"] | None = None,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 50,
    cursor: Cursor = None,
) -> StoredMessagePage:
    """The messages, newest first. Without a gateway this is the outbox."""
    now_ms = services.clock()
    found = await asyncio.to_thread(
        lambda: services.messages.store.page(
            tenant, limit=limit + 1, before=read_cursor(cursor), status=status, now_ms=now_ms
        )
    )
    page = found[:limit]
    return StoredMessagePage(
        data=[StoredMessage.of(message, fate, now_ms) for message, fate in page],
        next_cursor=cursor_after(page[-1][0].id) if len(found) > limit else None,
    )


@router.get(
    "/{message_id}", responses=document_problems(NOT_FOUND), openapi_extra={EXTRA_PARAMETERS: "ignored"}
)
async def read_message(message_id: MessageId, tenant: Tenant, services: ServicesOf) -> StoredMessage:
    """A message and what became of it."""
    found = await asyncio.to_thread(services.messages.store.read, tenant, message_id)
    if found is None:
        raise not_found("message")
    return StoredMessage.of(*found, services.clock())


def _validate(value: object) -> NewMessages:
    try:
        return _BODY.validate_python(value)
    except ValidationError as error:
        problem = problem_of_body(error.errors(include_url=False, include_input=False))
        raise ProblemError(problem.type, problem.detail, problem.flaws) from None


def _read_destinations(body: NewMessages) -> list[Destination]:
    destinations = list(read_destinations(body.to))
    if not 1 <= len(destinations) <= MAX_DESTINATIONS:
        detail = f"{len(destinations):,} destinations; 1 to {MAX_DESTINATIONS:,} are taken at a time"
        raise invalid_body(Flaw(detail, pointer_to("to")))
    return destinations


def _encode(acceptance: Acceptance) -> bytes:
    """`AcceptedMessages` as JSON: building models is for the documents, not for every message."""
    accepted_time = _rfc_3339(acceptance.accepted_at_ms)
    messages = [_document_of(verdict) for verdict in acceptance.verdicts]
    answer: dict[str, Any] = {"acceptedTime": accepted_time}
    if len(messages) == 1:
        answer |= {name: messages[0].get(name) for name in ("messageId", "correlationId")}
    answer["messages"] = messages
    answer["warnings"] = acceptance.notices
    return orjson.dumps(answer)


def _document_of(verdict: Verdict) -> dict[str, Any]:
    message = verdict.message
    if message is None:
        return {
            "to": verdict.destination.to,
            "correlationId": verdict.destination.correlation_id or None,
            "status": "failed",
            "errors": [verdict.flaw.to_dict()] if verdict.flaw else [],
        }
    return {
        "id": message.id,
        "messageId": message.id,
        "to": message.recipient,
        "correlationId": message.correlation_id or None,
        "status": "queued",
        "content": message.content,
        "encoding": message.encoding,
        "segments": message.segments,
        "segmentsBeforeShortening": message.segments_before,
        "links": [
            {"longUrl": url.long_url, "shortUrl": url.short_url, "linkId": url.link_id}
            for url in message.urls
        ],
        "warnings": verdict.notices,
    }


def _rfc_3339(unix_ms: int) -> str:
    return instant_of(unix_ms).isoformat().replace("+00:00", "Z")
