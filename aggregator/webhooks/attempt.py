"""One try at telling a receiver, and what follows from its answer."""

import random
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import aiohttp

from aggregator.outbound import AddressRefusedError
from aggregator.webhooks.schedule import pause_after_ms, read_retry_after
from aggregator.webhooks.store import Delivery, Standing
from aggregator.webhooks.webhook import WebhookDocument, signed_headers

TIMEOUT_S: Final = 15.0
MAX_DETAIL_CHARS: Final = 200
_GONE: Final = 410
_ASKS_TO_WAIT: Final = frozenset({429, 502, 503, 504})
_MAX_ANSWER_BYTES: Final = 4096


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a try: the status, 0 where none came, and why in words."""

    status: int
    detail: str = ""
    retry_after_s: float | None = None
    refused: bool = False


async def post(
    session: aiohttp.ClientSession, delivery: Delivery, webhook: WebhookDocument, now_ms: int
) -> Answer:
    """Try once. Redirects are not followed: a receiver that moved must be configured anew."""
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "SmartLinks-Webhooks/1",
        **signed_headers(webhook, delivery.id, delivery.body, now_ms),
    }
    try:
        async with session.post(
            delivery.url, data=delivery.body.encode(), headers=headers, allow_redirects=False
        ) as answer:
            text = (await answer.content.read(_MAX_ANSWER_BYTES)).decode(errors="replace")
            retry_after_s = read_retry_after(
                answer.headers.get("Retry-After"), datetime.fromtimestamp(now_ms / 1000, UTC)
            )
            return Answer(answer.status, "" if answer.ok else text[:MAX_DETAIL_CHARS], retry_after_s)
    except TimeoutError:
        return Answer(0, f"no answer within {TIMEOUT_S:.0f} s")
    except AddressRefusedError as error:
        return Answer(0, str(error), refused=True)
    except (aiohttp.ClientError, ValueError, OSError) as error:
        if isinstance(error, aiohttp.ClientConnectorError) and isinstance(
            error.os_error, AddressRefusedError
        ):
            return Answer(0, str(error.os_error), refused=True)
        return Answer(0, (str(error) or type(error).__name__)[:MAX_DETAIL_CHARS])


def standing_after(attempts: int, answer: Answer, now_ms: int, draw: random.Random) -> Standing:
    """Where a delivery stands after its try number `attempts`. Pure but for the draw of the jitter."""
    if 200 <= answer.status < 300:
        return Standing("delivered", attempts, now_ms, answer.status, "", now_ms)
    pause_ms = None
    if answer.status != _GONE and not answer.refused:
        pause_ms = pause_after_ms(attempts, answer.retry_after_s, draw)
    if pause_ms is None:
        return Standing("given_up", attempts, now_ms, answer.status, answer.detail, now_ms)
    return Standing("pending", attempts, now_ms + pause_ms, answer.status, answer.detail, now_ms)


def is_gone(answer: Answer) -> bool:
    """The receiver wants to hear nothing any more."""
    return answer.status == _GONE


def holds_for_s(answer: Answer) -> float:
    """How long nothing else goes to the same URL: what an overloaded receiver asked for."""
    return answer.retry_after_s or 0.0 if answer.status in _ASKS_TO_WAIT else 0.0
