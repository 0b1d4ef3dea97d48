"""A webhook: who is told, of what, under which secret."""

import base64
import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Final, Literal, get_args

import orjson
from standardwebhooks import Webhook as Signer

Event = Literal["message.clicked", "link.clicked", "link.created", "link.updated", "link.deleted"]
EVENTS: Final[tuple[Event, ...]] = get_args(Event)
CLICK_EVENTS: Final = frozenset({"message.clicked", "link.clicked"})
LINK_EVENTS: Final = frozenset({"link.created", "link.updated", "link.deleted"})

RECEIPTS: Final = "receipts"
"""The id of the webhook of each tenant that signs receipts to the `callbackUrl` of its messages."""

GONE_PREFIX: Final = "gone_"
"""How the id of a webhook begins that only says that a `callbackUrl` wants no receipts any more."""

SECRET_BYTES: Final = 32
OVERLAP_MS: Final = 24 * 3600 * 1000
"""How long a rotated secret still signs beside its successor."""


@dataclass(frozen=True, slots=True)
class WebhookDocument:
    """A webhook as it is stored. Times are Unix ms.

    It is told of changes of links that were stored from `created_at_ms` on, both by the warehouse's clock.
    `url` is empty for `RECEIPTS`, which goes where each message says. `include_bots`: clicks of any verdict,
    else of humans only. `disabled_reason` is empty while it is told of things.
    """

    id: str
    tenant: str
    url: str
    events: tuple[Event, ...]
    secret: str
    description: str = ""
    include_bots: bool = False
    disabled_reason: str = ""
    previous_secret: str = ""
    previous_until_ms: int = 0
    created_at_ms: int = 0
    updated_at_ms: int = 0
    version: int = 1

    @property
    def is_enabled(self) -> bool:
        return not self.disabled_reason

    def to_json(self) -> str:
        return orjson.dumps(asdict(self)).decode()

    @classmethod
    def from_json(cls, document: str) -> "WebhookDocument":
        fields = orjson.loads(document)
        return cls(**{**fields, "events": tuple(fields["events"])})


def new_secret() -> str:
    """A signing secret in the form that the libraries of the Standard Webhooks scheme take."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def signed_headers(webhook: WebhookDocument, delivery_id: str, body: str, now_ms: int) -> dict[str, str]:
    """The headers of the Standard Webhooks scheme, signed by every secret that is valid now."""
    now = datetime.fromtimestamp(now_ms // 1000, UTC)
    signatures = [Signer(secret).sign(delivery_id, now, body) for secret in _valid_secrets(webhook, now_ms)]
    return {
        "webhook-id": delivery_id,
        "webhook-timestamp": str(now_ms // 1000),
        "webhook-signature": " ".join(signatures),
    }


def _valid_secrets(webhook: WebhookDocument, now_ms: int) -> Sequence[str]:
    if webhook.previous_secret and now_ms < webhook.previous_until_ms:
        return (webhook.secret, webhook.previous_secret)
    return (webhook.secret,)
