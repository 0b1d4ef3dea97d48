"""HEAD on whatever takes GET: the same status and headers, no body, and no query for rows nobody gets."""

from collections.abc import Generator, Mapping

import httpx
import pytest

from ingest.contract import Row
from tests.api.calls import all_calls, make_values
from tests.api.conftest import KEY, RunningApi
from tests.api.test_bad_input import assert_problem

AUTHORIZED = {"Authorization": f"Bearer {KEY}"}
LENGTH = "content-length"


async def test_each_get_is_answered_as_head(api: RunningApi) -> None:
    calls = [call for call in all_calls() if call.method == "GET"]
    assert len(calls) > 20
    for call in calls:
        values = await make_values(call, api.client)
        request = call.request(api.url, values, AUTHORIZED)
        got = await api.client.send(request)
        asked = await api.client.send(httpx.Request("HEAD", request.url, headers=AUTHORIZED))
        assert asked.status_code == got.status_code, call.path
        assert asked.content == b""
        assert set(asked.headers) == set(got.headers) - {"transfer-encoding"}, call.path
        assert asked.headers["content-type"] == got.headers["content-type"]


async def test_the_length_and_tag_are_those_of_the_body_that_is_left_out(api: RunningApi) -> None:
    link = await api.make()
    got = await api.client.get(f"/v1/links/{link['id']}")
    asked = await api.client.head(f"/v1/links/{link['id']}")
    assert (asked.headers[LENGTH], asked.headers["etag"]) == (str(len(got.content)), got.headers["etag"])
    labels = {"route": "/v1/links/{link_id}", "method": "HEAD", "status": "200"}
    assert api.registry.get_sample_value("smartlinks_api_requests_total", labels) == 1


async def test_what_is_refused_is_refused_alike(api: RunningApi) -> None:
    only_post = await api.client.head("/v1/links:bulk")
    assert (only_post.status_code, only_post.headers["allow"]) == (405, "POST")
    assert (await api.client.head("/v1/nothing")).status_code == 404
    assert (await api.client.head("/v1/links", params={"limit": "0"})).status_code == 422
    async with httpx.AsyncClient(base_url=api.url) as stranger:
        assert (await stranger.head("/v1/links")).status_code == 401
    refused = await api.client.put("/v1/links")
    assert_problem(refused, 405, "method-not-allowed")
    assert refused.headers["allow"] == "GET, HEAD, POST"


@pytest.mark.parametrize(
    ("path", "kinds"),
    [("/v1/clicks", ("csv", "ndjson", "parquet")), ("/v1/campaigns/spring/recipients", ("csv", "ndjson"))],
)
async def test_a_file_that_nobody_gets_is_no_query(
    api: RunningApi, path: str, kinds: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    stream, queries = api.warehouse.stream, 0

    def watched(sql: str, parameters: Mapping[str, object] | None = None) -> Generator[list[Row]]:
        nonlocal queries
        queries += 1
        return stream(sql, parameters)

    monkeypatch.setattr(api.warehouse, "stream", watched)
    for kind in kinds:
        asked = await api.client.head(path, params={"format": kind})
        assert (asked.status_code, asked.content, queries) == (200, b"", 0)
        assert LENGTH not in asked.headers
        got = await api.client.get(path, params={"format": kind})
        assert (asked.headers["content-type"], queries) == (got.headers["content-type"], 1)
        queries = 0
