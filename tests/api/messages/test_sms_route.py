"""`POST /v1/sms/messages` and what can be read back of it."""

from typing import Any

import orjson

from edge.contract import Settings, cut_records, open_link_store
from ingest.contract import Warehouse
from ingest.link_events import decode_event
from tests.api.conftest import DOMAIN, OTHER_KEY, RunningApi, put_key
from tests.fixtures.redis import RedisServer

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


async def test_one_request_sends_to_each_destination_what_is_theirs(api: RunningApi) -> None:
    sent = await send(
        api,
        to=[
            NUMBER,
            {"to": "+44 (7700) 900-124", "substitutions": {"name": "Bob", "n": 2}},
            {"msisdn": ["447700900125", "00447700900126"], "correlationId": "both"},
        ],
        content="${name} ${n}",
        substitutions={"name": "you", "n": True},
        correlationId="all",
    )
    assert [
        (message["to"], message["content"], message["correlationId"]) for message in sent["messages"]
    ] == [
        (NUMBER, "you true", "all"),
        ("+447700900124", "Bob 2", "all"),
        ("+447700900125", "you true", "both"),
        ("+447700900126", "you true", "both"),
    ]
    assert "messageId" not in sent


async def test_a_url_is_one_link_however_often_it_is_sent(api: RunningApi) -> None:
    text = f"{LONG} and {LONG} and https://www.example.com/terms"
    first = await send(api, content=text, shortenUrls=True, to=[NUMBER, "+447700900124"])
    second = await send(api, content=text, shortenUrls=True)
    messages = [*first["messages"], *second["messages"]]
    assert [len(message["links"]) for message in messages] == [2, 2, 2]
    assert len({link["linkId"] for message in messages for link in message["links"]}) == 2
    short_urls = [link["shortUrl"] for message in messages for link in message["links"]]
    assert len(set(short_urls)) == 6
    for message in messages:
        short, terms = (link["shortUrl"] for link in message["links"])
        assert message["content"] == f"{short} and {short} and {terms}"
    links = (await api.client.get("/v1/links?tag=sms")).json()["data"]
    assert {link["destination_url"] for link in links} == {LONG, "https://www.example.com/terms"}


async def test_a_link_that_was_changed_is_not_what_the_next_message_means(api: RunningApi) -> None:
    first = (await send(api, content=LONG, shortenUrls=True))["messages"][0]["links"][0]
    for change in ({"destination_url": "https://www.example.com/other"}, {"status": "disabled"}):
        await api.client.patch(f"/v1/links/{first['linkId']}", json=change)
        second = (await send(api, content=LONG, shortenUrls=True))["messages"][0]["links"][0]
        assert second["linkId"] != first["linkId"]
        link = (await api.client.get(f"/v1/links/{second['linkId']}")).json()
        assert (link["destination_url"], link["status"]) == (LONG, "active")
        first = second
    await api.client.delete(f"/v1/links/{first['linkId']}")
    again = (await send(api, content=LONG, shortenUrls=True))["messages"][0]["links"][0]
    assert again["linkId"] == first["linkId"], "a deleted one is made anew"
    assert again["shortUrl"] != first["shortUrl"]


async def test_the_second_form_shortens_the_last_url_and_drops_its_scheme(api: RunningApi) -> None:
    text = f"{LONG} then https://www.example.com/last, bye"
    message = (await send(api, content=text, trackLink=True, appendHttp=False))["messages"][0]
    (link,) = message["links"]
    assert link["longUrl"] == "https://www.example.com/last"
    assert message["content"] == f"{LONG} then {link['shortUrl'].removeprefix('https://')}, bye"
    kept = (await send(api, content=text, trackLink="true", appendHttp="true"))["messages"][0]
    assert kept["content"] == f"{LONG} then {kept['links'][0]['shortUrl']}, bye"


async def test_our_own_short_urls_and_what_is_not_asked_for_stay_as_they_are(api: RunningApi) -> None:
    own = f"https://{DOMAIN}/abcd1234"
    message = (await send(api, content=f"{own} http://www.example.com", shortenUrls=True))["messages"][0]
    assert (message["content"], message["links"]) == (f"{own} http://www.example.com", [])
    message = (await send(api, content=LONG))["messages"][0]
    assert (message["content"], message["links"]) == (LONG, [])
    strange = await send(api, content="https://me@www.example.com/", shortenUrls=True)
    assert strange["messages"][0]["warnings"][0]["code"] == "url_left_long"


async def test_a_domain_of_ones_own_stands_in_the_short_urls(api: RunningApi) -> None:
    await api.client.post("/v1/domains", json={"host": "go.example.com"})
    for written in ("go.example.com", "https://Go.example.com/"):
        message = (await send(api, content=LONG, shortenUrls=True, shortUrlDomain=written))["messages"][0]
        assert message["content"].startswith("https://go.example.com/")
    problem = await send(api, 422, content=LONG, shortenUrls=True, shortUrlDomain="no.example.com")
    assert problem["errors"][0]["pointer"] == "#/shortUrlDomain"
    assert "go.example.com" in problem["detail"]


async def test_encodings_and_segments_are_told_with_what_makes_them_worse(api: RunningApi) -> None:
    strange = (await send(api, content="x" * 69 + "çx"))["messages"][0]
    assert (strange["encoding"], strange["segments"]) == ("UCS-2", 2)
    assert strange["warnings"][0]["code"] == "encoding_changed"
    url_alone = (await send(api, content="https://www.example.com/ç", shortenUrls=True))["messages"][0]
    assert (url_alone["encoding"], url_alone["warnings"]) == ("GSM-7", [])
    unicode_ = (await send(api, content="x" * 71, contentType="unicode"))["messages"][0]
    assert (unicode_["encoding"], unicode_["segments"], unicode_["warnings"]) == ("UCS-2", 2, [])
    binary = (await send(api, content="00ff" * 71, contentType="binary", shortenUrls=True))["messages"][0]
    assert (binary["encoding"], binary["segments"]) == ("8-bit", 2)
    shorter = (await send(api, content="x" * 100 + f" {LONG}?{'y' * 60}", shortenUrls=True))["messages"][0]
    assert (shorter["segmentsBeforeShortening"], shorter["segments"]) == (2, 1)
    longer = (await send(api, content="x" * 140 + " https://a.co/b", shortenUrls=True))["messages"][0]
    assert (longer["segmentsBeforeShortening"], longer["segments"]) == (1, 2)
    assert [warning["code"] for warning in longer["warnings"]] == ["segments_grew"]


async def test_each_tenant_reads_its_own_messages_page_by_page(api: RunningApi) -> None:
    ids = [(await send(api, content=str(number)))["messageId"] for number in range(5)]
    seen: list[str] = []
    cursor = None
    while True:
        parameters = {"limit": 2, "status": "queued", **({"cursor": cursor} if cursor else {})}
        page = (await api.client.get("/v1/sms/messages", params=parameters)).json()
        seen += [message["id"] for message in page["data"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert sorted(seen) == sorted(ids)
    assert seen == sorted(seen, reverse=True)
    for status in ("sent", "failed", "expired"):
        assert (await api.client.get(f"/v1/sms/messages?status={status}")).json()["data"] == []
    other = {"Authorization": f"Bearer {OTHER_KEY}"}
    assert (await api.client.get(f"/v1/sms/messages/{ids[0]}", headers=other)).status_code == 404
    assert (await api.client.get("/v1/sms/messages", headers=other)).json()["data"] == []
    for bad in ("x", "%%%", "w6k"):
        assert (await api.client.get("/v1/sms/messages", params={"cursor": bad})).status_code == 422


async def test_what_nobody_takes_in_time_has_expired(api: RunningApi) -> None:
    sent = await send(api, expireAt=api.clock_ms() + 60_000)
    later_ms = api.clock_ms() + 61_000
    api.clock_ms = lambda: later_ms
    read = (await api.client.get(f"/v1/sms/messages/{sent['messageId']}")).json()
    assert (read["status"], read["statusTime"]) == ("expired", read["expireAt"])
    expired = (await api.client.get("/v1/sms/messages?status=expired")).json()["data"]
    assert [message["id"] for message in expired] == [sent["messageId"]]
    assert (await api.client.get("/v1/sms/messages?status=queued")).json()["data"] == []


async def test_a_key_sends_no_more_messages_a_second_than_it_may(api: RunningApi) -> None:
    put_key(api.warehouse, "a-slow-key-0123456789", tenant="slow", messages_per_s=1)
    await api.access.key_ring.refresh()
    headers = {"Authorization": "Bearer a-slow-key-0123456789"}
    body = {"from": "12233", "to": [NUMBER] * 30, "content": "Hello"}
    taken = await api.client.post("/v1/sms/messages", json=body, headers=headers)
    assert taken.status_code == 202
    refused = await api.client.post("/v1/sms/messages", json=body, headers=headers)
    assert refused.status_code == 429
    assert int(refused.headers["Retry-After"]) >= 2
    assert refused.json()["message"] == refused.json()["detail"]


async def test_long_urls_are_sent_where_short_ones_can_not_be_had_and_the_sender_says_so(
    settings: Settings, warehouse: Warehouse, own_redis: RedisServer
) -> None:
    settings = settings.model_copy(update={"redis_url": own_redis.url})
    api = RunningApi(settings, open_link_store(own_redis.url), warehouse)
    await api.start()
    own_redis.stop()
    refused = await send(api, 503, content=LONG, shortenUrls=True)
    assert refused["type"] == "/problems/unavailable"
    sent = await send(api, content=LONG, shortenUrls=True, onShortenFailure="send_long")
    assert (sent["messages"][0]["content"], sent["messages"][0]["links"]) == (LONG, [])
    assert sent["warnings"][0]["code"] == "url_left_long"
    await api.close()


async def test_urls_of_ones_own_are_links_of_their_own_minted_by_one_event(api: RunningApi) -> None:
    to = [{"to": f"+447700900{n}", "substitutions": {"order": n}} for n in range(100, 160)]
    text = "https://www.example.com/orders/${order} https://www.example.com/terms"
    messages = (await send(api, to=to, content=text, shortenUrls=True))["messages"]
    assert len({message["links"][0]["linkId"] for message in messages}) == 60
    assert len({message["links"][1]["linkId"] for message in messages}) == 1
    for message in messages:
        for link in message["links"]:
            number = (await api.link_store.get_document(link["linkId"]) or (0, b""))[0]
            assert await api.link_store.resolve("", link["shortUrl"].rpartition("/")[2]) == number
    assert api.registry.get_sample_value("smartlinks_api_codes_minted_total") == 120
    terms = (await api.client.get(f"/v1/links/{messages[0]['links'][1]['linkId']}")).json()
    assert terms["links_sent_30d"] == 60
    (event,) = [event for event in spooled(api) if event["type"] == "codes.minted_across"]
    await api.applier.apply(decode_event(orjson.dumps(event)))
    assert (await api.client.get(f"/v1/links/{terms['id']}")).json()["links_sent_30d"] == 60, "applied twice"


def spooled(api: RunningApi) -> list[dict[str, Any]]:
    """The link events on the disk."""
    segments = api.settings.outbox_dir.glob("*/*.log")
    records = [cut_records(segment.read_bytes(), finished=True).records for segment in segments]
    return [orjson.loads(value) for found in records for value, _ in found]
