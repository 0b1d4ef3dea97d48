"""What is given for a domain: fields that do not fit, the largest files, and any JSON."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.domain_models import MAX_FILE_BYTES
from edge.domains import read_domain
from tests.api.conftest import DOMAIN, RunningApi
from tests.api.test_bad_input import JSON, assert_problem
from tests.api.test_domains import HOST, PAGE, hosts, make_domain

deep: Any = []
for _ in range(200):
    deep = [deep]

BAD_FIELDS: list[tuple[dict[str, Any], str, str]] = [
    ({"host": ""}, "#/host", "host"),
    ({"host": 5}, "#/host", "string"),
    ({"host": "https://go.example.com"}, "#/host", "host name"),
    ({"host": "go.example.com/x"}, "#/host", "host name"),
    ({"host": "user@go.example.com"}, "#/host", "host name"),
    ({"host": "go.example.com:99999"}, "#/host", "port"),
    ({"host": "go example.com"}, "#/host", "host name"),
    ({"host": "go.example.com\r\nX: y"}, "#/host", "host name"),
    ({"host": "-.example.com"}, "#/host", "name"),
    ({"host": "x" * 300}, "#/host", "260"),
    ({"not_found_url": "javascript:alert(1)"}, "#/not_found_url", "http:// or https://"),
    ({"not_found_url": f"https://{HOST}/start"}, "#/not_found_url", "loop"),
    ({"expired_url": f"https://{DOMAIN}/start"}, "#/expired_url", "loop"),
    ({"not_found_page": "<h1>"}, "#/not_found_page", "object"),
    ({"not_found_page": {"title": "t"}}, "#/not_found_page/message", "missing"),
    ({"not_found_page": {**PAGE, "html": "<h1>"}}, "#/not_found_page/html", "known field"),
    ({"expired_page": {**PAGE, "title": ""}}, "#/expired_page/title", "1"),
    ({"expired_page": {**PAGE, "title": "t" * 121}}, "#/expired_page/title", "120"),
    ({"expired_page": {**PAGE, "message": "m" * 1001}}, "#/expired_page/message", "1,000"),
    ({"expired_page": {**PAGE, "message": "\x00"}}, "#/expired_page/message", "Control characters"),
    ({"apple_app_site_association": []}, "#/apple_app_site_association", ""),
    ({"apple_app_site_association": {"x": "x" * MAX_FILE_BYTES}}, "#/apple_app_site_association", "131,072"),
    ({"apple_app_site_association": {"x": deep}}, "#/apple_app_site_association", "deep"),
    ({"assetlinks": {}}, "#/assetlinks", "array"),
    ({"assetlinks": [5]}, "#/assetlinks/0", ""),
    ({"assetlinks": [{"x": "ü" * MAX_FILE_BYTES}]}, "#/assetlinks", "131,072"),
    ({"tag": ".7"}, "#/tag", "known field"),
]


async def test_a_field_that_does_not_fit_is_named(api: RunningApi, subtests: pytest.Subtests) -> None:
    for fields, pointer, advice in BAD_FIELDS:
        with subtests.test(fields=str(fields)[:60]):
            answer = await api.client.post("/v1/domains", json={"host": HOST, **fields})
            (flaw,) = assert_problem(answer, 422, "invalid-body")["errors"]
            assert flaw["pointer"] == pointer
            assert advice in flaw["detail"]
    assert await hosts(api) == [DOMAIN]


async def test_the_host_of_a_domain_is_fixed(api: RunningApi) -> None:
    await make_domain(api)
    answer = await api.client.patch(f"/v1/domains/{HOST}", json={"host": "x.example.com"})
    assert assert_problem(answer, 422, "invalid-body")["errors"][0]["pointer"] == "#/host"
    for path in ("%00", "%ff", "x" * 3000, "a%2Fb"):
        assert_problem(await api.client.get(f"/v1/domains/{path}"), 404, "not-found")


async def test_the_largest_files_go_through(api: RunningApi) -> None:
    text = '"\\' * (MAX_FILE_BYTES // 4 - 10)
    files = {"apple_app_site_association": {"x": text}, "assetlinks": [{"x": text}]}
    assert (await make_domain(api, **files))["assetlinks"] == files["assetlinks"]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)
near_bodies = st.fixed_dictionaries(
    {"host": st.from_regex(r"[a-z0-9.:\[\]-]{1,12}") | json_values},
    optional={
        "not_found_url": st.text().map(lambda rest: f"https://example.com/{rest}") | json_values,
        "expired_page": st.fixed_dictionaries({"title": json_values, "message": st.text()}) | json_values,
        "apple_app_site_association": st.dictionaries(st.text(), json_values) | json_values,
        "assetlinks": st.lists(st.dictionaries(st.text(), json_values)) | json_values,
    },
)


@settings(max_examples=100)
@given(body=json_values | near_bodies)
async def test_any_json_makes_a_domain_or_a_problem(api: RunningApi, body: object) -> None:
    answer = await api.client.post("/v1/domains", content=json.dumps(body).encode("ascii"), headers=JSON)
    if answer.status_code != 201:
        assert 400 <= answer.status_code < 500, answer.text
        assert answer.headers["content-type"] == "application/problem+json"
        return
    stored = (await api.link_store.domains())[answer.json()["host"]]
    assert read_domain(stored) is not None
