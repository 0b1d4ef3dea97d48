"""A tenant that keeps recipients as HMACs: minting, who clicked and erasure work, and no number is stored."""

from pathlib import Path

from ingest.contract import (
    DEFAULT_TENANT,
    TenantDocument,
    read_tenants,
    recipient_keys_path,
    rotate_recipient_keys,
    save_tenant,
)
from tests.api.conftest import RunningApi
from tests.fixtures.clicks import insert_clicks

NUMBER = "+447700900123"
OTHER = "+447700900124"


def choose(api: RunningApi, **fields: object) -> None:
    known = read_tenants(api.warehouse).get(DEFAULT_TENANT, TenantDocument(DEFAULT_TENANT))
    document = TenantDocument(DEFAULT_TENANT, version=known.version + 1, **fields)  # type: ignore[arg-type]
    save_tenant(api.warehouse, document)


async def mint(api: RunningApi, link: object, *recipients: str) -> list[str]:
    body = {"recipients": [{"recipient": each, "reference": "order-1"} for each in recipients]}
    answer = await api.client.post(f"/v1/links/{link}/recipients", json=body)
    assert answer.status_code == 200, answer.text
    assert [each["recipient"] for each in answer.json()["data"]] == list(recipients)
    return [each["code"] for each in answer.json()["data"]]


def files_with(folder: Path, text: str) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and text.encode() in path.read_bytes()]


async def test_no_number_is_stored_and_all_works_by_it(api: RunningApi) -> None:
    choose(api, recipient_privacy="hmac")
    link = await api.make()
    (code,) = await mint(api, link["id"], NUMBER)
    assert await mint(api, link["id"], OTHER, NUMBER, NUMBER) == [
        *(await mint(api, link["id"], OTHER)),
        code,
        code,
    ]
    forms = {form for (form,) in api.warehouse.query("SELECT recipient FROM codes")}
    assert all(form.startswith("hmac:k1:") for form in forms)
    assert len(forms) == 2
    assert files_with(api.settings.data_dir / "spool", NUMBER) == []  # link events neither

    path = recipient_keys_path(api.settings.data_dir)
    assert rotate_recipient_keys(path) == "k2"
    assert await mint(api, link["id"], NUMBER) == [code]
    (number,) = api.warehouse.query("SELECT DISTINCT link FROM codes")[0]
    human = {"verdict": "human", "personal": True, "tenant": DEFAULT_TENANT, "link": number, "code": code}
    insert_clicks(api.warehouse, [{**human, "ts": 1_790_000_000_000}], "click")
    clicked = (await api.client.get(f"/v1/links/{link['id']}/recipients")).json()["data"]
    (who,) = [each["recipient"] for each in clicked]
    assert who in forms

    erased = await api.client.delete(f"/v1/recipients/{NUMBER}")
    assert erased.status_code == 200, erased.text
    assert (erased.json()["codes"], erased.json()["clicks"]) == (1, 1)
    assert await mint(api, link["id"], NUMBER) != [code]


async def test_who_was_stored_in_clear_keeps_their_code(api: RunningApi) -> None:
    link = await api.make()
    codes = await mint(api, link["id"], NUMBER)
    choose(api, recipient_privacy="hmac")
    assert await mint(api, link["id"], NUMBER) == codes
