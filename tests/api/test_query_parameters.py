"""Query parameters: what a call does not know is refused, and not passed over in silence."""

import httpx

from api.app import build_routes
from api.conventions.query_parameters import EXTRA_PARAMETERS
from api.openapi import openapi_document, operations
from tests.api.calls import all_calls
from tests.api.conftest import KEY, RunningApi
from tests.api.test_bad_input import assert_problem

VENDORS = {"send_messages", "read_message", "report_clicks"}


async def test_every_call_refuses_what_it_does_not_declare(api: RunningApi) -> None:
    document = openapi_document(build_routes())
    lenient = {each["operationId"] for _, _, each in operations(document) if EXTRA_PARAMETERS in each}
    assert lenient == VENDORS
    for call in all_calls():
        operation = document["paths"][call.path][call.method.lower()]
        values = dict.fromkeys(call.parameters, "nothing1")
        request = call.request(api.url, values, {"Key": KEY})
        request.url = request.url.copy_add_param("no_such_parameter", "1")
        answer = await api.client.send(request)
        if operation["operationId"] in VENDORS:
            assert answer.status_code != 422, answer.text
        else:
            problem = assert_problem(answer, 422, "invalid-parameters")
            assert [each["parameter"] for each in problem["errors"]] == ["no_such_parameter"], call
            assert "422" in operation["responses"], call


async def test_the_nearest_parameter_is_named(api: RunningApi) -> None:
    for path, query, name, says in (
        ("/v1/stats", "form=2026-01-01T00:00:00Z&to=2026-02-01T00:00:00Z", "form", "from is the nearest"),
        ("/v1/stats", "Timezone=UTC", "Timezone", "timezone is the nearest"),
        ("/v1/clicks", "verdicts=human", "verdicts", "verdict is the nearest"),
        ("/v1/tags", "xyz", "xyz", "there are q, limit, cursor"),
        ("/v1/ledger", "=1", "", "takes none"),
        ("/v1/tags", "limit=1&limit=2", "limit", "Given 2 times"),
        ("/v1/stats", "from=2026-01-01T00:00:00+01:00", "from", "is written %2B"),
    ):
        problem = assert_problem(await api.client.get(f"{path}?{query}"), 422, "invalid-parameters")
        (error,) = problem["errors"]
        assert error["parameter"] == name
        assert says in error["detail"]
        assert says in problem["detail"]


async def test_very_many_are_told_in_a_short_answer(api: RunningApi) -> None:
    query = "&".join(f"{'x' * 100}{number}=" for number in range(300))
    answer = await api.client.get(f"/v1/tags?{query}")
    assert len(assert_problem(answer, 422, "invalid-parameters")["errors"]) == 20
    assert len(answer.content) < 10_000


async def test_pages_and_documents_take_any(api: RunningApi) -> None:
    async with httpx.AsyncClient(base_url=api.url, follow_redirects=True) as client:
        for path in ("/", "/docs", "/openapi.json", "/problems", "/problems/not-found"):
            assert (await client.get(path, params={"utm_source": "mail"})).status_code == 200, path
