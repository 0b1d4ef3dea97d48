"""A gateway over HTTP: a POST a message, repeated under the same idempotency key until it is answered."""

import asyncio
import random
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final

import aiohttp
import orjson

from api.fields import instant_of
from api.messages.gateway import (
    GatewayAddress,
    GatewayRefusedError,
    GatewayUnavailableError,
)
from api.messages.message import Message

if TYPE_CHECKING:
    from api.messages.gateway import Gateway

TIMEOUT_S: Final = 10.0
ATTEMPTS: Final = 3
FIRST_PAUSE_S: Final = 0.2
LONGEST_WAIT_S: Final = 2.0  # for Retry-After; a longer one frees the place for other messages
MAX_ANSWER_BYTES: Final = 64 * 1024
_PASSING: Final = frozenset({408, 409, 423, 425, 429, 500, 502, 503, 504})
_ID_FIELDS: Final = ("id", "messageId", "message_id")


class HttpGateway:
    """Sends `document_of` a message with the header `Idempotency-Key`: the message's id. 2xx is taken."""

    def __init__(self, address: GatewayAddress) -> None:
        self.in_flight = address.window
        self._url = address.url
        self._headers = {"Content-Type": "application/json"}
        if address.user:
            self._headers["Authorization"] = aiohttp.encode_basic_auth(address.user, address.password)
        self._session: aiohttp.ClientSession | None = None

    async def send(self, message: Message) -> str:
        """See `Gateway.send`. Tries `ATTEMPTS` times, `Retry-After` honoured where it is short."""
        body = orjson.dumps(document_of(message))
        pause_s = FIRST_PAUSE_S
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return await self._post(message.id, body)
            except GatewayUnavailableError as error:
                if attempt == ATTEMPTS or error.retry_after_s > LONGEST_WAIT_S:
                    raise
                await asyncio.sleep(max(error.retry_after_s, pause_s * random.uniform(0.5, 1.0)))
                pause_s *= 2
        raise AssertionError("unreachable")

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def _post(self, key: str, body: bytes) -> str:
        headers = {**self._headers, "Idempotency-Key": key}
        try:
            async with self._open().post(
                self._url, data=body, headers=headers, allow_redirects=False
            ) as answer:
                text = await answer.content.read(MAX_ANSWER_BYTES)
                return _read_answer(answer.status, text, answer.headers.get("Retry-After"))
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise GatewayUnavailableError(
                f"the gateway can't be reached: {str(error) or type(error).__name__}"
            ) from None

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=TIMEOUT_S),
                connector=aiohttp.TCPConnector(limit=self.in_flight),
            )
        return self._session


def document_of(message: Message) -> dict[str, Any]:
    """What is sent of a message. Times are RFC 3339 in UTC."""
    return {
        "id": message.id,
        "from": message.sender,
        "to": message.recipient,
        "content": message.content,
        "contentType": message.content_type,
        "encoding": message.encoding,
        "segments": message.segments,
        "correlationId": message.correlation_id or None,
        "dltTemplateId": message.dlt_template_id or None,
        "expireAt": instant_of(message.expires_at_ms).isoformat().replace("+00:00", "Z"),
    }


def _read_answer(status: int, text: bytes, retry_after: str | None) -> str:
    if 200 <= status < 300:
        return _read_id(text)
    reason = f"the gateway answered {status}"
    if status in _PASSING or status >= 500:
        raise GatewayUnavailableError(reason, _read_retry_after(retry_after))
    raise GatewayRefusedError(f"{reason}: {text[:200].decode('utf-8', 'replace').strip()}")


def _read_id(text: bytes) -> str:
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError:
        return ""
    if not isinstance(document, dict):
        return ""
    return next((str(document[name])[:200] for name in _ID_FIELDS if document.get(name)), "")


def _read_retry_after(value: str | None) -> float:
    """Seconds, from a number of them or an HTTP date (RFC 9110, 10.2.3)."""
    if value is None:
        return 0.0
    if value.strip().isdecimal():
        return float(min(int(value), 3600))
    try:
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return 0.0


if TYPE_CHECKING:

    def _fits(gateway: HttpGateway) -> Gateway:
        return gateway
