"""The HTTP gateway: what is sent, what is repeated and under which key, and what is given up."""

import asyncio
import base64
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from aiohttp import web

from api.messages.gateway import GatewayRefusedError, GatewayUnavailableError, open_gateway, read_gateway_url
from tests.api.messages.conftest import MakeMessage
from tests.api.messages.receiver import Answer, Receiver


def answers(*statuses: int, **headers: str) -> Answer:
    """One status after the other; the last for all that follow."""
    following: Iterator[int] = iter([*statuses[:-1], *([statuses[-1]] * 1000)])

    async def answer(_request: web.Request, _body: dict[str, Any]) -> web.Response:
        return web.Response(status=next(following), text="because", headers=headers)

    return answer


async def test_a_message_goes_out_under_its_id(receiver: Receiver, make_message: MakeMessage) -> None:
    gateway = open_gateway(receiver.url.replace("://", "://us%40er:p%2Fw@"))
    message = make_message("Hi €", correlation_id="order-1", dlt_template_id="dlt")
    assert await gateway.send(message) == f"gw-{message.id}"
    assert receiver.got == [
        {
            "id": message.id,
            "from": "12233",
            "to": "+447700900123",
            "content": "Hi €",
            "contentType": "text",
            "encoding": "GSM-7",
            "segments": 1,
            "correlationId": "order-1",
            "dltTemplateId": "dlt",
            "expireAt": "2030-03-17T18:46:40Z",
        }
    ]
    assert receiver.keys == [message.id]
    credentials = receiver.headers[0]["Authorization"].removeprefix("Basic ")
    assert base64.b64decode(credentials) == b"us@er:p/w"
    await gateway.close()


async def test_what_passes_is_repeated_under_its_key(receiver: Receiver, make_message: MakeMessage) -> None:
    gateway = open_gateway(receiver.url)
    receiver.answer = answers(503, 429, 200)
    message = make_message()
    assert await gateway.send(message) == ""
    assert receiver.keys == [message.id] * 3
    receiver.answer = answers(500)
    with pytest.raises(GatewayUnavailableError, match="500"):
        await gateway.send(message)
    await gateway.close()


async def test_a_long_retry_after_is_not_waited_for(receiver: Receiver, make_message: MakeMessage) -> None:
    gateway = open_gateway(receiver.url)
    receiver.answer = answers(429, **{"Retry-After": "90"})
    with pytest.raises(GatewayUnavailableError) as error:
        await gateway.send(make_message())
    assert error.value.retry_after_s == 90
    assert len(receiver.got) == 1
    await gateway.close()


@pytest.mark.parametrize("status", [400, 401, 404, 422, 302])
async def test_a_refusal_is_final(receiver: Receiver, make_message: MakeMessage, status: int) -> None:
    gateway = open_gateway(receiver.url)
    receiver.answer = answers(status)
    with pytest.raises(GatewayRefusedError, match=f"{status}: because"):
        await gateway.send(make_message())
    assert len(receiver.got) == 1
    await gateway.close()


async def test_one_that_hangs_or_is_not_there_is_unavailable(
    receiver: Receiver, make_message: MakeMessage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.messages.http_gateway.TIMEOUT_S", 0.1)
    over = asyncio.Event()

    async def hang(_request: web.Request, _body: dict[str, Any]) -> web.Response:
        await over.wait()
        return web.Response()

    receiver.answer = hang
    gateway = open_gateway(receiver.url)
    with pytest.raises(GatewayUnavailableError, match="TimeoutError"):
        await gateway.send(make_message())
    over.set()
    await gateway.close()
    monkeypatch.undo()
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        gateway = open_gateway(f"http://127.0.0.1:{unheard.getsockname()[1]}/")
        with pytest.raises(GatewayUnavailableError, match="reached"):
            await gateway.send(make_message())
        await gateway.close()


@pytest.mark.parametrize(
    ("url", "what"),
    [
        ("ftp://host/", "smpp://"),
        ("https://", "smpp://"),
        ("smpp://host:2775", "system_id"),
        ("http://host:0x50/", "port"),
        ("smpp://id:pw@host?window=0", "window"),
        ("smpp://id:pw@host?window=many", "window"),
    ],
)
def test_a_wrong_url_says_what_it_should_be(url: str, what: str) -> None:
    with pytest.raises(ValueError, match=what) as error:
        read_gateway_url(url)
    assert "pw@" not in str(error.value)
