"""`POST /v1/sms/messages` and what can be read back of it."""

from typing import Any

from tests.api.conftest import DOMAIN, RunningApi

NUMBER = "+447700900123"
LONG = "https://www.example.com/spring?from=sms"


async def send(api: RunningApi, expected: int = 202, **fields: Any) -> dict[str, Any]:
    body = {"from": "12233", "to": NUMBER, "content": "Hello", **fields}
    answer = await api.client.post("/v1/sms/messages", json=body)
    assert answer.status_code == expected, answer.text
    document: dict[str, Any] = answer.json()
    return document


async def test_a_message_is_rendered_shortened_stored_and_read_back(api: RunningApi) -> None:
    sent = await send(
        api,
        to=[{"to": NUMBER, "substitutions": {"name": "Ann"}, "correlationId": "order-1"}],
        content=f"Hi ${{name}}, ${{what}}: {LONG}.",
        substitutions={"name": "you", "what": "look"},
        callbackUrl="https://notify.example.com/",
        callbackData="data",
        shortenUrls=True,
    )
    (message,) = sent["messages"]
    (link,) = message["links"]
    assert sent["messageId"] == message["id"] == message["messageId"]
    assert sent["correlationId"] == message["correlationId"] == "order-1"
    assert link["longUrl"] == LONG
    assert link["shortUrl"].startswith(f"https://{DOMAIN}/")
    assert message["content"] == f"Hi Ann, look: {link['shortUrl']}."
    assert (message["encoding"], message["segments"], message["segmentsBeforeShortening"]) == ("GSM-7", 1, 1)
    number = (await api.link_store.get_document(link["linkId"]) or (0, b""))[0]
    code = link["shortUrl"].rpartition("/")[2]
    assert await api.link_store.resolve("", code) == number
    assert api.warehouse.query("SELECT link, code, message FROM message_codes") == [
        (number, code, message["id"])
    ]
    assert api.warehouse.query("SELECT recipient, reference, code FROM codes") == [
        (NUMBER, message["id"], code)
    ]
    read = (await api.client.get(f"/v1/sms/messages/{message['id']}")).json()
    assert read == {
        "id": message["id"],
        "messageId": message["id"],
        "acceptedTime": sent["acceptedTime"],
        "statusTime": sent["acceptedTime"],
        "status": "queued",
        "reason": None,
        "gatewayId": None,
        "from": "12233",
        "to": NUMBER,
        "correlationId": "order-1",
        "content": message["content"],
        "contentType": "text",
        "encoding": "GSM-7",
        "segments": 1,
        "links": message["links"],
        "callbackUrl": "https://notify.example.com/",
        "callbackData": "data",
        "dltTemplateId": None,
        "expireAt": read["expireAt"],
    }
