"""Bodies of `/v1/webhooks`."""

from datetime import datetime
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictBool

from aggregator.contract import Delivery, Standing, WebhookDocument, WebhookEvent
from api.fields import Url, instant_of


def _without_password(url: str) -> str:
    parts = urlsplit(url)
    if "@" in parts.netloc:
        raise ValueError("The URL carries no user or password; verify the signature instead")
    return url


HookUrl = Annotated[Url, AfterValidator(_without_password)]
Events = Annotated[tuple[WebhookEvent, ...], Field(min_length=1, max_length=10)]


class NewWebhook(BaseModel):
    """Where to send what."""

    model_config = ConfigDict(extra="forbid")

    url: HookUrl = Field(
        description="Takes POSTs; answers 2xx. Never an address of a private network",
        examples=["https://hooks.example.com/smartlinks"],
    )
    events: Events = Field(
        description="What it is told of. A click on a message's link is a message.clicked to who asks for it,"
        " else a link.clicked",
        examples=[["link.clicked"]],
    )
    description: str = Field("", max_length=200)
    include_bots: StrictBool = Field(
        default=False, description="Tell of clicks of any verdict, not of humans' only"
    )


class WebhookPatch(BaseModel):
    """JSON Merge Patch (RFC 7396)."""

    model_config = ConfigDict(extra="forbid")

    url: HookUrl | None = Field(None, description="Fixed for `receipts`")
    events: Events | None = None
    description: str | None = Field(None, max_length=200)
    include_bots: StrictBool | None = None
    enabled: StrictBool | None = Field(
        None, description="Enable it again after it was disabled, or disable it"
    )


class Webhook(BaseModel):
    """A webhook as it is answered; its secret is at `/v1/webhooks/{id}/secret`."""

    id: str
    url: str | None = Field(description="Null for `receipts`: they go to each message's callbackUrl")
    events: list[WebhookEvent]
    description: str
    include_bots: bool
    enabled: bool
    disabled_reason: str | None
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, document: WebhookDocument) -> Self:
        """The answer for a stored webhook."""
        return cls(
            id=document.id,
            url=document.url or None,
            events=list(document.events),
            description=document.description,
            include_bots=document.include_bots,
            enabled=document.is_enabled,
            disabled_reason=document.disabled_reason or None,
            created_at=instant_of(document.created_at_ms),
            updated_at=instant_of(document.updated_at_ms),
        )


class WebhookPage(BaseModel):
    data: list[Webhook]
    next_cursor: None = Field(None, description="Always null: all webhooks are on one page")


class Secret(BaseModel):
    """Give it to a library of the Standard Webhooks scheme."""

    secret: str = Field(examples=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"])
    previous_secret: str | None = Field(description="Signs beside the new one for a day after a rotation")


class WebhookDelivery(BaseModel):
    """One thing that is told, and how far that is."""

    id: str = Field(description="The `webhook-id` header, the same each time it is sent")
    event: str
    url: str
    state: Literal["pending", "delivered", "given_up"]
    attempts: int
    next_attempt_at: datetime | None
    last_attempt_at: datetime | None
    last_status: int | None = Field(description="Of the last answer; null where none came")
    last_error: str | None
    created_at: datetime
    body: str

    @classmethod
    def of(cls, delivery: Delivery, standing: Standing) -> Self:
        """The answer for a stored delivery."""
        attempted_at_ms = standing.attempted_at_ms
        return cls(
            id=delivery.id,
            event=delivery.event,
            url=delivery.url,
            state=standing.state,
            attempts=standing.attempts,
            next_attempt_at=instant_of(standing.due_at_ms) if standing.state == "pending" else None,
            last_attempt_at=None if attempted_at_ms is None else instant_of(attempted_at_ms),
            last_status=standing.status or None,
            last_error=standing.detail or None,
            created_at=instant_of(delivery.created_at_ms),
            body=delivery.body,
        )


class DeliveryPage(BaseModel):
    data: list[WebhookDelivery]
    next_cursor: str | None
