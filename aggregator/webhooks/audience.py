"""Which webhook is told of what. Pure."""

from collections.abc import Iterator

from aggregator.webhooks.bodies import (
    ClickedMessage,
    ClickRow,
    LinkChange,
    link_changed,
    link_clicked,
    message_clicked,
)
from aggregator.webhooks.store import Delivery
from aggregator.webhooks.webhook import RECEIPTS, WebhookDocument


def told(
    click: ClickRow, link_id: str, message: ClickedMessage | None, webhook: WebhookDocument, now_ms: int
) -> Iterator[Delivery]:
    """What the webhook is told of a click of its tenant: nothing, or one delivery.

    A click on a message's link is a `message.clicked` to whoever listens to that, else a `link.clicked`.
    Receipts go to the message's own `callbackUrl`, where its sender asked for that.
    """
    if not webhook.is_enabled or not (webhook.include_bots or click.verdict == "human"):
        return
    url = webhook.url
    if webhook.id == RECEIPTS:
        url = message.callback_url if message is not None and message.track_clicks else ""
    if not url:
        return
    if message is not None and "message.clicked" in webhook.events:
        event, body, recipient = (
            "message.clicked",
            message_clicked(click, link_id, message),
            message.recipient,
        )
    elif "link.clicked" in webhook.events:
        event, body, recipient = "link.clicked", link_clicked(click, link_id), ""
    else:
        return
    yield Delivery(webhook.tenant, webhook.id, click.event_id, event, url, body, recipient, now_ms)


def told_of_change(change: LinkChange, webhook: WebhookDocument, now_ms: int) -> Iterator[Delivery]:
    """What the webhook is told of a change of one of its tenant's links."""
    if webhook.is_enabled and webhook.url and change.event in webhook.events:
        body = link_changed(change)
        yield Delivery(
            webhook.tenant, webhook.id, change.event_id, change.event, webhook.url, body, "", now_ms
        )
