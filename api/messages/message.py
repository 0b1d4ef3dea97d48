"""A message as it is stored and handed over, and what became of it."""

import secrets
import uuid
from dataclasses import dataclass
from typing import Final, Literal

from api.messages.encoding import Encoding

ContentType = Literal["text", "unicode", "binary"]
MessageStatus = Literal["queued", "sent", "failed", "expired"]

MAX_DESTINATIONS: Final = 1000
MAX_CONTENT_CHARS: Final = 10_000
MAX_CALLBACK_DATA_CHARS: Final = 2000
LIFETIME_MS: Final = 3 * 24 * 3600 * 1000  # of a message without expireAt; what SMSCs take as their own
MAX_LIFETIME_MS: Final = 30 * 24 * 3600 * 1000


@dataclass(frozen=True, slots=True)
class ShortenedUrl:
    """A URL of one message: as it was written, and what stands in the text in its place.

    `link` is the link's number, `code` the one that was minted for this message.
    """

    long_url: str
    short_url: str
    link_id: str
    link: int
    code: str


@dataclass(frozen=True, slots=True)
class Message:
    """`content` is what is sent: rendered, with short URLs; hexadecimal digits where it is binary.

    `recipient` is an E.164 number with its plus sign. `owner` names the dispatcher that hands the message
    over, empty where there is no gateway. Absent texts are empty. Times are Unix ms.
    """

    tenant: str
    id: str
    owner: str
    sender: str
    recipient: str
    correlation_id: str
    content: str
    content_type: ContentType
    encoding: Encoding
    segments: int
    segments_before: int
    urls: tuple[ShortenedUrl, ...]
    callback_url: str
    callback_data: str
    track_clicks: bool
    dlt_template_id: str
    expires_at_ms: int
    accepted_at_ms: int


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of a message. `reason` says why it failed; `gateway_id` is the gateway's own id of it."""

    tenant: str
    id: str
    status: MessageStatus
    at_ms: int
    reason: str = ""
    gateway_id: str = ""


def new_message_id(now_ms: int) -> str:
    """A UUID of version 7 (RFC 9562): ids sort by the time they were given."""
    value = now_ms << 80 | 0x7 << 76 | secrets.randbits(12) << 64 | 0b10 << 62 | secrets.randbits(62)
    return str(uuid.UUID(int=value))
