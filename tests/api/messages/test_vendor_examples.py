"""The vendor's request examples, by its reference, and answers of the vendor's shape."""

import json
import uuid
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.messages.expiry import read_expiry
from tests.api.conftest import DOMAIN, RunningApi

PATH = "/v1/sms/messages"
NUMBER = "+447700900123"

# https://developers.webexconnect.io/reference/send-sms-v1, Send SMS API v1
ONE: dict[str, Any] = {
    "from": "12233445566",
    "to": NUMBER,
    "content": "SMS- $(sms_parameter1) API v1- $(sms_parameter2)",
    "contentType": "text",
    "substitutions": {"sms_parameter1": "one", "sms_parameter2": "two"},
    "dltTemplateId": "",
    "shortenUrls": True,
    "shortUrlDomain": f"https://{DOMAIN}",
    "trackShortUrlClicks": True,
    "expireAt": "2030-01-31T18:00:00.000Z",
    "callbackUrl": "https://notify.example.com",
    "callbackData": "callback data",
    "correlationId": "correlation-1",
    "gtrId": "rcsgtrid",
}
BATCH: dict[str, Any] = {
    **ONE,
    "to": [
        {
            "msisdn": [NUMBER],
            "substitutions": {"sms_parameter1": "eins", "sms_parameter2": "zwei"},
            "correlationId": "c1",
        },
        {"msisdn": ["+447700900124"], "correlationId": ""},
    ],
}
LAST_LINK: dict[str, Any] = {
    "from": "Shop",
    "to": NUMBER,
    "content": "See https://www.example.com/a or https://www.example.com/b",
    "trackLink": True,
    "appendHttp": False,
}


async def test_one_destination_is_answered_as_the_vendor_does(api: RunningApi) -> None:
    answer = await api.client.post(PATH, json=ONE)
    assert answer.status_code == 202, answer.text
    document = answer.json()
    assert datetime.fromisoformat(document["acceptedTime"]).tzinfo is not None
    assert str(uuid.UUID(document["messageId"])) == document["messageId"]
    assert document["correlationId"] == "correlation-1"
    assert document["messages"][0]["content"] == "SMS- one API v1- two"
    assert document["warnings"] == [
        {"code": "unknown_field", "detail": "'gtrId' is not a known field and was passed over"}
    ]
    read = (await api.client.get(f"{PATH}/{document['messageId']}")).json()
    asked_for = {"acceptedTime", "statusTime", "messageId", "correlationId", "from", "to", "contentType"}
    assert asked_for | {"content", "status"} <= set(read)
    assert read["expireAt"] > read["acceptedTime"]


async def test_a_batch_is_answered_a_message_each(api: RunningApi) -> None:
    document = (await api.client.post(PATH, json=BATCH)).json()
    assert [(one["to"], one["content"], one["correlationId"]) for one in document["messages"]] == [
        (NUMBER, "SMS- eins API v1- zwei", "c1"),
        ("+447700900124", "SMS- one API v1- two", "correlation-1"),
    ]


async def test_the_last_link_alone_is_tracked(api: RunningApi) -> None:
    (message,) = (await api.client.post(PATH, json=LAST_LINK)).json()["messages"]
    assert message["content"].startswith(f"See https://www.example.com/a or {DOMAIN}/")


async def test_a_stored_template_is_sent_by_its_id(api: RunningApi) -> None:
    path = "/v1/sms/templates"
    new = {"name": "Greeting", "content": "Hi ${name}: https://www.example.com/a", "dltTemplateId": "dlt-1"}
    made = await api.client.post(path, json=new)
    assert made.status_code == 201
    template = made.json()
    assert made.headers["Location"] == f"{path}/{template['id']}"
    body = {
        "from": "Shop",
        "to": NUMBER,
        "content": template["id"],
        "contentType": "template",
        "substitutions": {"name": "Ann"},
        "shortenUrls": True,
    }
    (message,) = (await api.client.post(PATH, json=body)).json()["messages"]
    assert message["content"] == f"Hi Ann: {message['links'][0]['shortUrl']}"
    assert (await api.client.get(f"{PATH}/{message['id']}")).json()["dltTemplateId"] == "dlt-1"
    changed = await api.client.patch(f"{path}/{template['id']}", json={"content": "Bye ${name}"})
    assert (changed.json()["content"], changed.json()["name"]) == ("Bye ${name}", "Greeting")
    assert (await api.client.post(PATH, json=body)).json()["messages"][0]["content"] == "Bye Ann"
    second = (await api.client.post(path, json={"content": "x"})).json()
    first_page = (await api.client.get(path, params={"limit": 1})).json()
    last_page = (await api.client.get(path, params={"cursor": first_page["next_cursor"]})).json()
    assert [one["id"] for page in (first_page, last_page) for one in page["data"]] == sorted(
        [template["id"], second["id"]]
    )
    assert (await api.client.delete(f"{path}/{template['id']}")).status_code == 204
    assert (await api.client.get(f"{path}/{template['id']}")).status_code == 404
    gone = await api.client.post(PATH, json=body)
    assert (gone.status_code, gone.json()["errors"][0]["pointer"]) == (422, "#/content")


REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"to": "tel:x"}, "#/to", "E.164"),
    ({"to": ["+1", ""]}, "#/to/0", "E.164"),
    ({"to": [{"to": 447700900123}]}, "#/to/0/to", "string"),
    ({"to": [{"to": NUMBER, "name": "Ann"}]}, "#/to/0/name", "known field"),
    ({"to": [{"to": NUMBER, "substitutions": []}]}, "#/to/0/substitutions", "object"),
    ({"to": [{"msisdn": [NUMBER[:-9]]}]}, "#/to/0/msisdn/0", "E.164"),
    ({"to": []}, "#/to", "1 to 1,000"),
    ({"to": [NUMBER] * 1001}, "#/to", "1,001 destinations"),
    ({"content": ""}, "#/content", "At least 1"),
    ({"content": "Hi ${first} ${last}"}, "#/content", "${first}, ${last}"),
    ({"content": "xyz", "contentType": "binary"}, "#/content", "hexadecimal"),
    ({"content": "tpl_none", "contentType": "template"}, "#/content", "no template"),
    ({"content": "x" * 10_001}, "#/content", "10"),
    ({"content": "a\x00b"}, "#/content", "Control"),
    ({"contentType": "html"}, "#/contentType", "template"),
    ({"from": ""}, "#/from", "1 to 20"),
    ({"from": "é"}, "#/from", "ASCII"),
    ({"callbackData": "x" * 2001}, "#/callbackData", "At most 2,000 characters"),
    ({"callbackUrl": "ftp://x"}, "#/callbackUrl", "http"),
    ({"expireAt": "2020-01-01T00:00:00Z"}, "#/expireAt", "past"),
    ({"expireAt": "soon"}, "#/expireAt", "ISO 8601"),
    ({"expireAt": -1}, "#/expireAt", "Unix time"),
    ({"expireAt": 1.5}, "#/expireAt", "whole number"),
    ({"expireAt": True}, "#/expireAt", "whole number"),
    ({"shortenUrls": "maybe"}, "#/shortenUrls", "true or false"),
    ({"substitutions": {"a": {}}}, "#/substitutions", "a: "),
    ({"correlationId": "x" * 257}, "#/correlationId", "256"),
    ({"onShortenFailure": "panic"}, "#/onShortenFailure", "send_long"),
    ({"shortUrlDomain": "a b", "shortenUrls": True}, "#/shortUrlDomain", "host name"),
]


async def test_what_does_not_fit_is_named_and_nothing_is_sent(
    api: RunningApi, subtests: pytest.Subtests
) -> None:
    good = {"from": "12233", "to": NUMBER, "content": "Hello"}
    for fields, pointer, advice in REFUSED:
        with subtests.test(fields=str(fields)[:60]):
            answer = await api.client.post(PATH, json={**good, **fields})
            document = answer.json()
            assert answer.status_code == 422, answer.text
            assert document["errors"][0]["pointer"] == pointer
            assert advice in document["errors"][0]["detail"]
            assert document["message"] == document["detail"]
    missing = (await api.client.post(PATH, json={"to": NUMBER})).json()
    assert (missing["code"], missing["errors"][0]["pointer"]) == ("7003", "#/from")
    malformed = await api.client.post(PATH, content=b"{", headers={"Content-Type": "application/json"})
    assert (malformed.status_code, malformed.json()["code"]) == (400, "7000")
    assert (await api.client.get(PATH)).json()["data"] == []


async def test_a_destination_that_does_not_fit_keeps_none_of_the_others(api: RunningApi) -> None:
    to = [{"to": NUMBER, "substitutions": {"name": "Ann"}}, "nope", {"to": "+447700900124"}]
    answer = await api.client.post(PATH, json={"from": "12233", "to": to, "content": "Hi ${name}"})
    assert answer.status_code == 202
    sent, bad_number, unnamed = answer.json()["messages"]
    assert (sent["status"], sent["content"]) == ("queued", "Hi Ann")
    assert (bad_number["status"], bad_number["to"]) == ("failed", "nope")
    assert bad_number["errors"][0]["pointer"] == "#/to/1"
    assert (unnamed["status"], unnamed["errors"][0]["pointer"]) == ("failed", "#/content")
    assert "${name}" in unnamed["errors"][0]["detail"]
    assert len((await api.client.get(PATH)).json()["data"]) == 1


@pytest.mark.parametrize(
    ("written", "expires_at_ms"),
    [
        (None, 1_700_259_200_000),
        (1_700_000_100, 1_700_000_100_000),
        ("1700000100", 1_700_000_100_000),
        (1_700_000_100_000, 1_700_000_100_000),
        ("2023-11-14T22:15:00Z", 1_700_000_100_000),
        ("2023-11-14T23:15:00.500+01:00", 1_700_000_100_500),
        ("2023-11-14T22:15:00", 1_700_000_100_000),
        ("9999-12-31T23:59:59-23:59", 1_702_592_000_000),
    ],
)
def test_expiry_is_read_in_every_form(written: int | str | None, expires_at_ms: int) -> None:
    assert read_expiry(written, 1_700_000_000_000) == expires_at_ms


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
TEXT = (
    st.sampled_from(["Hi ${name} https://www.example.com/a", "$", "${", "https://x", "\u0000", "ç" * 80])
    | st.text()
)
NUMBERS = st.sampled_from([NUMBER, "447700900123", "+0", "", "\u0661"]) | st.text(max_size=16)
OBJECTS = st.fixed_dictionaries(
    {}, optional={"to": NUMBERS | JSON, "msisdn": JSON, "substitutions": JSON, "correlationId": JSON}
)
BODIES = JSON | st.fixed_dictionaries(
    {},
    optional={
        "from": st.just("12233") | JSON,
        "to": NUMBERS | st.lists(NUMBERS | OBJECTS | JSON, max_size=4) | OBJECTS,
        "content": TEXT | JSON,
        "contentType": st.sampled_from(["text", "UNICODE", "binary", "template"]) | JSON,
        "substitutions": st.fixed_dictionaries({"name": TEXT}) | JSON,
        "expireAt": st.sampled_from(["2030-01-01", "1e999", "²"]) | JSON,
        "shortenUrls": st.booleans() | JSON,
        "shortUrlDomain": st.just(DOMAIN) | JSON,
        "trackLink": st.booleans() | JSON,
        "appendHttp": st.booleans() | JSON,
        "callbackUrl": TEXT | JSON,
        "onShortenFailure": st.sampled_from(["refuse", "send_long"]) | JSON,
        "x": JSON,
    },
)


@settings(max_examples=150)
@given(body=BODIES)
async def test_any_json_is_taken_or_refused_with_reason(api: RunningApi, body: Any) -> None:
    headers = {"Content-Type": "application/json"}
    answer = await api.client.post(PATH, content=json.dumps(body), headers=headers)
    assert answer.status_code in {202, 422}, (body, answer.text)
    document = answer.json()
    if answer.status_code == 202:
        assert any(message["status"] == "queued" for message in document["messages"])
    else:
        assert document["detail"]
