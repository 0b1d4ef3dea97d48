"""An emptied Redis is filled again from the catalogue."""

from api.rebuild import rebuild_link_store
from edge.contract import LinkStore
from tests.api.conftest import RunningApi
from tests.fixtures.redis import RedisServer


async def _snapshot(store: LinkStore, ids: list[str], codes: list[str]) -> list[object]:
    documents = [await store.get_document(link_id) for link_id in ids]
    numbers = [await store.resolve("", code) for code in codes]
    fields = [dict(await store.fields(document[0])) for document in documents if document]
    return [documents, numbers, fields]


async def test_links_ids_codes_and_numbers_come_back(api: RunningApi, redis_server: RedisServer) -> None:
    plain = await api.make(
        code="Plain", expires_at="2099-01-01T00:00:00Z", device_routes={"ios": "https://i.example"}
    )
    disabled = await api.make(code="Disabled", tags=["a", "b"])
    await api.client.patch(f"/v1/links/{disabled['id']}", json={"status": "disabled"})
    deleted = await api.make(code="Deleted")
    recipients = {"recipients": [{"recipient": str(number)} for number in range(1200)]}
    for link in (plain, deleted):
        minted = await api.client.post(f"/v1/links/{link['id']}/recipients", json=recipients)
        assert minted.status_code == 200
    await api.client.delete(f"/v1/links/{deleted['id']}")
    codes = [
        "Plain",
        "Disabled",
        "Deleted",
        *(one["code"] for one in (await api.client.get("/v1/links")).json()["data"]),
    ]
    kept = await api.client.post(f"/v1/links/{plain['id']}/recipients", json=recipients)
    codes += [one["code"] for one in kept.json()["data"]]
    ids = [str(link["id"]) for link in (plain, disabled, deleted)]
    before = await _snapshot(api.link_store, ids, codes)

    assert await rebuild_link_store(api.link_store, api.catalogue) == 0, "nothing to do"
    redis_server.flush()
    assert await rebuild_link_store(api.link_store, api.catalogue) == 3 + 1200
    assert await _snapshot(api.link_store, ids, codes) == before
    assert await api.link_store.next_number() == 4


async def test_a_new_installation_needs_no_rebuild(api: RunningApi) -> None:
    assert await rebuild_link_store(api.link_store, api.catalogue) == 0
    assert not await api.link_store.is_empty(), "edges are told that it is new, not emptied"
