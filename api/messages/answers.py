"""What is answered of messages, in the words of the vendor's API."""

from datetime import datetime
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from api.fields import instant_of
from api.messages.drafts import NoticeCode
from api.messages.encoding import Encoding
from api.messages.message import (
    Fate,
    Message,
    MessageStatus,
)

_CamelCase: Final = ConfigDict(alias_generator=to_camel, frozen=True)


class MessageLink(BaseModel):
    model_config = _CamelCase

    long_url: str
    short_url: str = Field(examples=["https://s.example.com/hT5xQ09a"])
    link_id: str


class MessageWarning(BaseModel):
    """Something that the sender may want to know; the message is sent all the same."""

    code: NoticeCode
    detail: str


class AcceptedMessage(BaseModel):
    """What became of one destination: `queued` with all fields, or `failed` with `errors`."""

    model_config = _CamelCase

    id: str | None = None
    message_id: str | None = Field(None, description="The same as id: the vendor's name of it")
    to: str
    correlation_id: str | None = None
    status: Literal["queued", "failed"]
    content: str | None = None
    encoding: Encoding | None = None
    segments: int | None = None
    segments_before_shortening: int | None = None
    links: list[MessageLink] | None = None
    warnings: list[MessageWarning] = []
    errors: list[dict[str, str]] | None = None


class AcceptedMessages(BaseModel):
    """`messageId` and `correlationId` stand beside the list where there was one destination only."""

    model_config = _CamelCase

    accepted_time: datetime
    message_id: str | None = None
    correlation_id: str | None = None
    messages: list[AcceptedMessage]
    warnings: list[MessageWarning] = []


class StoredMessage(BaseModel):
    """A message and what became of it."""

    model_config = _CamelCase

    id: str
    message_id: str = Field(description="The same as id: the vendor's name of it")
    accepted_time: datetime
    status_time: datetime
    status: MessageStatus
    reason: str | None = Field(None, description="Why it failed")
    gateway_id: str | None = Field(None, description="The gateway's own id of it")
    sender: str = Field(serialization_alias="from")
    to: str
    correlation_id: str | None
    content: str
    content_type: str
    encoding: Encoding
    segments: int
    links: list[MessageLink]
    callback_url: str | None
    callback_data: str | None
    dlt_template_id: str | None
    expire_at: datetime

    @classmethod
    def of(cls, message: Message, fate: Fate | None, now_ms: int) -> "StoredMessage":
        status, status_at_ms = status_of(message, fate, now_ms)
        return StoredMessage.model_construct(
            id=message.id,
            message_id=message.id,
            accepted_time=instant_of(message.accepted_at_ms),
            status_time=instant_of(status_at_ms),
            status=status,
            reason=(fate and fate.reason) or None,
            gateway_id=(fate and fate.gateway_id) or None,
            sender=message.sender,
            to=message.recipient,
            correlation_id=message.correlation_id or None,
            content=message.content,
            content_type=message.content_type,
            encoding=message.encoding,
            segments=message.segments,
            links=[
                MessageLink.model_construct(
                    long_url=url.long_url, short_url=url.short_url, link_id=url.link_id
                )
                for url in message.urls
            ],
            callback_url=message.callback_url or None,
            callback_data=message.callback_data or None,
            dlt_template_id=message.dlt_template_id or None,
            expire_at=instant_of(message.expires_at_ms),
        )


class StoredMessagePage(BaseModel):
    data: list[StoredMessage]
    next_cursor: str | None = Field(
        description="Send it as cursor to get the next page; null on the last one"
    )


def status_of(message: Message, fate: Fate | None, now_ms: int) -> tuple[MessageStatus, int]:
    """The status, and since when it is so. One that nobody handed over in time has expired."""
    if fate is not None:
        return fate.status, fate.at_ms
    if message.expires_at_ms <= now_ms:
        return "expired", message.expires_at_ms
    return "queued", message.accepted_at_ms
