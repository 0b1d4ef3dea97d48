"""Messages that are ready to be handed over, and an SMSC to hand them to."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from api.messages.encoding import count_segments, encoding_of
from api.messages.message import Message, new_message_id
from tests.api.messages.receiver import Receiver, running_receiver
from tests.fixtures.ports import free_port
from tests.maven_jars import JarsUnavailableError
from tests.smsc.smsc import Smsc, running_smsc

NOW_MS = 1_900_000_000_000

MakeMessage = Callable[..., Message]


@pytest.fixture
def make_message() -> MakeMessage:
    def make(content: str = "Hello", **fields: Any) -> Message:
        encoding = fields.pop("encoding", None) or encoding_of(content)
        defaults: dict[str, Any] = {
            "tenant": "default",
            "id": new_message_id(NOW_MS),
            "owner": "me",
            "sender": "12233",
            "recipient": "+447700900123",
            "correlation_id": "",
            "content": content,
            "content_type": "text",
            "encoding": encoding,
            "segments": count_segments(content, encoding),
            "segments_before": 1,
            "urls": (),
            "callback_url": "",
            "callback_data": "",
            "track_clicks": False,
            "dlt_template_id": "",
            "expires_at_ms": NOW_MS + 3_600_000,
            "accepted_at_ms": NOW_MS,
        }
        return Message(**{**defaults, **fields})

    return make


@pytest.fixture
async def smsc() -> AsyncIterator[Smsc]:
    try:
        async with running_smsc(free_port()) as running:
            yield running
    except JarsUnavailableError as error:
        pytest.skip(str(error))


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with running_receiver() as running:
        yield running
