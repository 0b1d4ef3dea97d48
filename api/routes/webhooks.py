"""`/v1/webhooks`: who is told of clicks and changes of links, and what became of each delivery."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from aggregator.contract import DeliveryState
from api.audit.changes import note_change
from api.auth import Tenant
from api.bodies import JsonRoute
from api.errors import document_problems
from api.problems import (
    BODY_TOO_LARGE,
    INVALID_BODY,
    INVALID_PARAMETERS,
    MALFORMED_BODY,
    NOT_FOUND,
    TOO_MANY_WEBHOOKS,
    UNAUTHORIZED,
    UNAVAILABLE,
    UNSUPPORTED_MEDIA_TYPE,
)
from api.services import ServicesOf
from api.webhook_models import (
    DeliveryPage,
    NewWebhook,
    Secret,
    Webhook,
    WebhookDelivery,
    WebhookPage,
    WebhookPatch,
)

router = APIRouter(
    prefix="/v1/webhooks",
    tags=["Webhooks"],
    route_class=JsonRoute,
    responses=document_problems(UNAUTHORIZED, UNAVAILABLE),
)

_BODY_PROBLEMS = (MALFORMED_BODY, BODY_TOO_LARGE, UNSUPPORTED_MEDIA_TYPE, INVALID_BODY)
WebhookId = Annotated[
    str, Path(description="As it is listed; `receipts` signs CLICKED receipts", examples=["receipts"])
]
DeliveryId = Annotated[str, Path(description="As it is listed", max_length=100)]


@router.get("")
async def list_webhooks(tenant: Tenant, services: ServicesOf) -> WebhookPage:
    """List webhooks. `receipts` is always there: it signs what goes to the callbackUrl of messages."""
    return WebhookPage(data=[Webhook.of(each) for each in await services.webhooks.list_of(tenant)])


@router.post("", status_code=201, responses=document_problems(*_BODY_PROBLEMS, TOO_MANY_WEBHOOKS))
async def make_webhook(new: NewWebhook, tenant: Tenant, services: ServicesOf, response: Response) -> Webhook:
    """Be told from now on. Deliveries are signed by the Standard Webhooks scheme and tried for three days."""
    webhook = await services.webhooks.make(tenant, new)
    note_change("webhook", webhook.id, after=webhook)
    response.headers["Location"] = f"/v1/webhooks/{webhook.id}"
    return Webhook.of(webhook)


@router.get("/{webhook_id}", responses=document_problems(NOT_FOUND))
async def read_webhook(webhook_id: WebhookId, tenant: Tenant, services: ServicesOf) -> Webhook:
    """One webhook."""
    return Webhook.of(await services.webhooks.read(tenant, webhook_id))


@router.patch("/{webhook_id}", responses=document_problems(*_BODY_PROBLEMS, NOT_FOUND))
async def change_webhook(
    patch: WebhookPatch, webhook_id: WebhookId, tenant: Tenant, services: ServicesOf
) -> Webhook:
    """Change it, or enable it again after its receiver had answered 410."""
    before, webhook = await services.webhooks.change(tenant, webhook_id, patch)
    note_change("webhook", webhook.id, before=before, after=webhook)
    return Webhook.of(webhook)


@router.delete(
    "/{webhook_id}",
    status_code=204,
    response_class=Response,
    responses=document_problems(NOT_FOUND, INVALID_BODY),
)
async def delete_webhook(webhook_id: WebhookId, tenant: Tenant, services: ServicesOf) -> None:
    """Tell it of nothing any more."""
    before = await services.webhooks.delete(tenant, webhook_id)
    note_change("webhook", webhook_id, before=before)


@router.get("/{webhook_id}/secret", responses=document_problems(NOT_FOUND))
async def read_secret(webhook_id: WebhookId, tenant: Tenant, services: ServicesOf) -> Secret:
    """The secret to verify signatures by."""
    webhook = await services.webhooks.read(tenant, webhook_id)
    return Secret(secret=webhook.secret, previous_secret=webhook.previous_secret or None)


@router.post("/{webhook_id}/secret", responses=document_problems(NOT_FOUND))
async def rotate_secret(webhook_id: WebhookId, tenant: Tenant, services: ServicesOf) -> Secret:
    """Make a new secret. For a day deliveries are signed by both."""
    before, webhook = await services.webhooks.rotate(tenant, webhook_id)
    note_change("webhook", webhook.id, before=before, after=webhook)
    return Secret(secret=webhook.secret, previous_secret=webhook.previous_secret or None)


@router.get("/{webhook_id}/deliveries", responses=document_problems(NOT_FOUND, INVALID_PARAMETERS))
async def list_deliveries(
    webhook_id: WebhookId,
    tenant: Tenant,
    services: ServicesOf,
    state: Annotated[DeliveryState | None, Query(description="Only those that stand so")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    cursor: Annotated[str | None, Query(max_length=100, description="next_cursor of the page before")] = None,
) -> DeliveryPage:
    """What was told in the last 30 days, newest first, and what came of it."""
    page, next_cursor = await services.webhooks.deliveries(
        tenant, webhook_id, state=state, cursor=cursor, limit=limit
    )
    return DeliveryPage(data=[WebhookDelivery.of(*each) for each in page], next_cursor=next_cursor)


@router.post(
    "/{webhook_id}/deliveries/{delivery_id}/replay", status_code=202, responses=document_problems(NOT_FOUND)
)
async def replay_delivery(
    webhook_id: WebhookId, delivery_id: DeliveryId, tenant: Tenant, services: ServicesOf
) -> WebhookDelivery:
    """Send a delivery again, whatever came of it before, under its same id."""
    return WebhookDelivery.of(*await services.webhooks.replay(tenant, webhook_id, delivery_id))
